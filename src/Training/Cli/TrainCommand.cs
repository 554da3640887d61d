using System.CommandLine;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary><c>train</c>: both phases of a recipe, then the evaluation.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var preset = new Option<string>("--preset") { Description = "recipe to start from: " + string.Join(", ", Presets.All.Select(p => p.Name)) };
        var recipeFile = new Option<string>("--recipe") { Description = "recipe.json of an earlier run to repeat" };
        var dataFolder = new Option<string>("--data") { Description = "folder that holds the preset's images, outliers and test sets" };
        var output = new Option<string>("--out") { Description = "run folder; default ./runs/<date>-<preset>" };
        var resume = new Option<string>("--resume") { Description = "run folder to continue from its last checkpoint" };
        var changes = new RecipeOptions();
        Option[] whole = [preset, recipeFile, dataFolder, output];
        var command = new Command("train", "Trains both phases, evaluates, and leaves everything in a run folder.")
        {
            preset, recipeFile, dataFolder, output, resume,
        };
        changes.AddTo(command);
        command.SetAction((result, cancellation) => Task.FromResult(Run(result, cancellation)));
        return command.WithExamples(
            "train --preset cifar10-lt-cpu --data DATA",
            "train --preset cifar10-lt-cpu --data DATA --method oe --seed 1 --out runs/oe-1",
            "train --id photos/train --outliers web.tar.gz --ood textures=dtd --ood svhn=svhn.tar --epochs 20 --width 32",
            "train --recipe runs/oe-1/recipe.json --seed 2",
            "train --resume runs/oe-1");

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var given = changes.Given(result).ToList();
            if (result.GetValue(resume) is { } folder)
            {
                given.AddRange(whole.Where(option => RecipeOptions.WasGiven(result, option)).Select(option => option.Name));
                return given.Count == 0
                    ? TrainingRun.Continue(folder, cancellation)
                    : throw new InputException($"--resume continues a run with its own recipe, so {string.Join(", ", given)} cannot be given with it.");
            }

            var recipe = changes.Apply(result, WithData(Start(result, given), result.GetValue(dataFolder), given));
            recipe.Validate();
            return TrainingRun.Start(recipe, result.GetValue(output), cancellation);
        }

        (Recipe Recipe, Func<string, DataFolder>? Find) Start(ParseResult result, List<string> given)
        {
            if (result.GetValue(recipeFile) is { } file)
            {
                return result.GetResult(preset) is null
                    ? (RecipeFile.Read(file), null)
                    : throw new InputException("--recipe and --preset both name a recipe; give one of them.");
            }

            if (result.GetValue(preset) is { } name)
            {
                var chosen = Presets.Find(name);
                return (chosen.Recipe, chosen.Data);
            }

            return given.Contains("--id")
                ? (Presets.Custom, null)
                : throw new InputException(
                    "train needs to know what to train on: --preset NAME --data FOLDER, or --id PATH with --outliers and --ood, or --recipe FILE.");
        }
    }

    private static Recipe WithData((Recipe Recipe, Func<string, DataFolder>? Find) start, string? folder, List<string> given)
    {
        if (folder is null)
        {
            return start.Find is null || given.Contains("--id")
                ? start.Recipe
                : throw new InputException($"The preset {start.Recipe.Preset} needs its images: --data FOLDER, or --id, --outliers and --ood by themselves.");
        }

        if (start.Find is not { } find)
        {
            throw new InputException(
                "--data goes with a CIFAR preset, which knows what to look for; otherwise name the images with --id, --outliers and --ood.");
        }

        var found = find(folder);
        return start.Recipe with
        {
            Data = start.Recipe.Data with
            {
                InDistribution = Path.GetFullPath(found.InDistribution),
                Outliers = Path.GetFullPath(found.Outliers),
                OutOfDistribution = [new NamedPath(null, Path.GetFullPath(found.OutOfDistribution))],
                ExcludedSets = found.OverlappingSets,
            },
        };
    }
}
