using System.CommandLine;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The options by which a command takes a recipe: where it starts from, where its images are, and what is changed.</summary>
internal sealed class RecipeSource
{
    private readonly Option<string> preset =
        new("--preset") { Description = "recipe to start from: " + string.Join(", ", Presets.All.Select(preset => preset.Name)) };

    private readonly Option<string> recipeFile = new("--recipe") { Description = "recipe.json of an earlier run to repeat" };
    private readonly Option<string> dataFolder = new("--data") { Description = "folder that holds the preset's images, outliers and test sets" };
    private readonly RecipeOptions changes = new();
    private readonly Preset? usual;

    /// <summary>Creates the options.</summary>
    /// <param name="usual">The preset that is used where the user names nothing; null where the user must.</param>
    public RecipeSource(Preset? usual = null) => this.usual = usual;

    /// <summary>The options that say where images are.</summary>
    public static IReadOnlyList<string> NamesOfImages { get; } = ["--data", "--id", "--outliers", "--ood"];

    private Option[] Starts => [preset, recipeFile, dataFolder];

    /// <summary>Adds the options to a command, with its own after those that name the recipe.</summary>
    public void AddTo(Command command, params Option[] own)
    {
        foreach (var option in Starts.Concat(own))
        {
            command.Options.Add(option);
        }

        changes.AddTo(command);
        GroupedHelp.AddTo(command);
    }

    /// <summary>The options that the user gave, by name.</summary>
    public IEnumerable<string> Given(ParseResult result) =>
        changes.Given(result).Concat(Starts.Where(option => RecipeOptions.WasGiven(result, option)).Select(option => option.Name));

    /// <summary>Where the images of an existing run are now, by those options.</summary>
    public static MovedImages Moved(ParseResult result) => new(
        result.GetValue<string>("--id"),
        result.GetValue<string>("--outliers"),
        [.. (result.GetValue<string[]>("--ood") ?? []).Select(RecipeOptions.ParseNamedPath)],
        result.GetValue<string>("--data"));

    /// <summary>The recipe as the user wants it, checked.</summary>
    /// <exception cref="InputException">The options name no recipe, or contradict one another.</exception>
    public Recipe Read(ParseResult result)
    {
        var given = changes.Given(result).ToList();
        if (given.Contains("--network") && given.Contains("--depth"))
        {
            throw new InputException("--network and --depth both name the network; give one of them.");
        }

        var hasImages = given.Contains("--id");
        var recipe = changes.Apply(result, WithData(Start(result, hasImages), result.GetValue(dataFolder), hasImages));
        recipe.Validate();
        return recipe;
    }

    private (Recipe Recipe, Func<string, DataFolder>? Find) Start(ParseResult result, bool hasImages)
    {
        if (result.GetValue(recipeFile) is { } file)
        {
            return result.GetResult(preset) is null
                ? (RecipeFile.Read(file), null)
                : throw new InputException("--recipe and --preset both name a recipe; give one of them.");
        }

        var chosen = result.GetValue(preset) is { } name ? Presets.Find(name) : hasImages ? null : usual;
        if (chosen is not null)
        {
            return (chosen.Recipe, chosen.Data);
        }

        return hasImages
            ? (Presets.Custom, null)
            : throw new InputException(
                "train needs to know what to train on: --preset NAME --data FOLDER, or --id PATH with --outliers and --ood, or --recipe FILE.");
    }

    private static Recipe WithData((Recipe Recipe, Func<string, DataFolder>? Find) start, string? folder, bool hasImages)
    {
        if (folder is null)
        {
            return start.Find is null || hasImages
                ? start.Recipe
                : throw new InputException($"The preset {start.Recipe.Preset} needs its images: --data FOLDER, or --id, --outliers and --ood by themselves.");
        }

        return Presets.InFolder(start.Recipe, folder);
    }
}
