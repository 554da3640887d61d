using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The options that change a preset: the rows of <see cref="OptionTable"/> as the command line takes them.</summary>
internal sealed class RecipeOptions
{
    private readonly GivenOption[] options;

    /// <summary>Creates the options.</summary>
    /// <param name="names">Names of those that are wanted; none for all.</param>
    public RecipeOptions(params string[] names) =>
        options = [.. OptionTable.All.Where(row => row.Name is not null && (names.Length == 0 || names.Contains(row.Name))).Select(CommandLine.Of)];

    /// <summary>The options as the command line knows them.</summary>
    public IEnumerable<Option> All => options.Select(option => option.Option);

    /// <summary>What <c>--ood</c> takes, in every command that has it.</summary>
    public static string OutOfDistributionHelp { get; } = OptionTable.All.Single(row => row.Name == "--ood").Help;

    public void AddTo(Command command) => Array.ForEach(options, option => command.Options.Add(option.Option));

    /// <summary>The recipe with every option that the user gave. What presets and recipe files have may be of no use to the method; what the user says may not.</summary>
    /// <exception cref="InputException">The recipe does not use one of them.</exception>
    public Recipe Apply(ParseResult result, Recipe recipe)
    {
        GivenOption[] given = [.. options.Where(option => WasGiven(result, option.Option))];
        var changed = given.Aggregate(recipe, (current, option) => option.Apply(result, current));
        Array.ForEach(given, option => OptionTable.RequireUse(option.Row, changed));
        return changed;
    }

    /// <summary>The options that the user gave, by name.</summary>
    public IEnumerable<string> Given(ParseResult result) =>
        options.Where(option => WasGiven(result, option.Option)).Select(option => option.Option.Name);

    /// <summary>
    /// Splits GROUP:NAME=PATH; a path without a name takes its name from the data. A built-in set stands in the place of a path, and a text that is a path as it stands is one,
    /// though it has an equals sign or begins as a group.
    /// </summary>
    public static NamedPath ParseNamedPath(string text)
    {
        foreach (var group in Enum.GetValues<SetGroup>())
        {
            var prefix = $"{RecipeNames.Of(group)}:";
            if (text.StartsWith(prefix, StringComparison.Ordinal) && !Path.Exists(text))
            {
                return text.Length > prefix.Length
                    ? ParseUngrouped(text[prefix.Length..]) with { Group = group }
                    : throw new InputException($"--ood {text} names a group and no set; expected {prefix}NAME=PATH or {prefix}PATH.");
            }
        }

        return ParseUngrouped(text);
    }

    private static NamedPath ParseUngrouped(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0 || Path.Exists(text))
        {
            return new NamedPath(null, PathOf(text));
        }

        var (name, path) = (text[..equals], text[(equals + 1)..]);
        return name.Contains('/') && !Path.Exists(path) && !NoiseSets.IsName(path)
            ? throw new InputException($"{text} does not exist. As NAME=PATH it would be a set called {name} in {path}, which does not exist either.")
            : new NamedPath(name, PathOf(path));

        static string PathOf(string path) => NoiseSets.IsName(path) ? path : Path.GetFullPath(path);
    }

    /// <summary>A flag that is not given has a result too, but an implicit one.</summary>
    public static bool WasGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };

    /// <summary>A row, what the command line has for it, and the recipe with what the user gave.</summary>
    private sealed record GivenOption(RecipeOption Row, Option Option, Func<ParseResult, Recipe, Recipe> Apply);

    /// <summary>Makes an option of a row, in the type of its value.</summary>
    private sealed class CommandLine : IRecipeOptionVisitor<GivenOption>
    {
        private static readonly CommandLine Visitor = new();

        public static GivenOption Of(RecipeOption row) => row switch
        {
            RecipeOption<IReadOnlyList<NamedPath>> sets => Create<NamedPath, string[]>(sets, texts => [.. texts.Select(ParseNamedPath)]),
            RecipeOption<IReadOnlyList<int>> numbers => Create<int, int[]>(numbers, given => given),
            RecipeOption<IReadOnlyList<double>> numbers => Create<double, double[]>(numbers, given => given),
            _ => row.Accept(Visitor),
        };

        public GivenOption Visit<T>(RecipeOption<T> option) => Create(option, option.Set, RecipeNames.Enumeration(typeof(T)) is { } type ? Named(option, type) : null);

        private static GivenOption Create<T, TGiven>(RecipeOption<IReadOnlyList<T>> row, Func<TGiven, IReadOnlyList<T>> convert) =>
            Create<TGiven>(row, (recipe, given) => row.Set(recipe, convert(given)), null);

        private static GivenOption Create<T>(RecipeOption row, Func<Recipe, T, Recipe> set, Func<ArgumentResult, T>? parse)
        {
            var option = new Option<T>(row.Name!)
            {
                Description = OptionTable.UseOf(row) is { } use ? $"{row.Help}; with {use.Words}" : row.Help,
                CustomParser = parse,
                AllowMultipleArgumentsPerToken = typeof(T).IsArray,
            };
            if (row.Words is { } words)
            {
                option.HelpName = string.Join('|', words());
                option.CompletionSources.Clear();
                option.CompletionSources.Add(_ => words().Select(word => new CompletionItem(word)));
            }

            return new GivenOption(row, option, (result, recipe) => set(recipe, result.GetRequiredValue(option)));
        }

        private static Func<ArgumentResult, T> Named<T>(RecipeOption<T> row, Type type) => result =>
        {
            var text = result.Tokens[0].Value;
            if (row.EarlierWords.TryGetValue(text.ToLowerInvariant(), out var earlier))
            {
                return earlier;
            }

            if (RecipeNames.Find(type, text) is { } value)
            {
                return (T)(object)value;
            }

            result.AddError($"{row.Name} takes one of {string.Join(", ", row.Words!())}, not '{text}'.");
            return default!;
        };
    }
}

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

    /// <summary>The options that say where images and backbone are.</summary>
    public static IReadOnlyList<string> NamesOfImages { get; } = ["--data", "--id", "--root", "--outliers", "--ood", "--backbone", "--feature-cache"];

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
        result.GetValue<string>("--data"),
        result.GetValue<string>("--root"))
    {
        Backbone = result.GetValue<string>("--backbone"),
        FeatureCache = result.GetValue<string>("--feature-cache"),
    };

    /// <summary>The recipe as the user wants it, checked.</summary>
    /// <exception cref="InputException">The options name no recipe, or contradict one another.</exception>
    public Recipe Read(ParseResult result)
    {
        var given = changes.Given(result).ToList();
        if (given.Contains("--network") && given.Contains("--depth"))
        {
            throw new InputException("--network and --depth both name the network; give one of them.");
        }

        if (given.Contains("--backbone") && (given.Contains("--network") || given.Contains("--depth")))
        {
            throw new InputException("--backbone is a network of its own: leave --network and --depth out.");
        }

        var hasImages = given.Contains("--id");
        var recipe = StartingWeights.WithPretrained(changes.Apply(result, WithData(Start(result, hasImages), result.GetValue(dataFolder), hasImages)), given);
        recipe.Validate();
        Preset.RequireBackbone(recipe);
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
