using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;
using Pascl.Training.Devices;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary><c>train</c>: both phases of a recipe, then the evaluation.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var output = new Option<string>("--out") { Description = "run folder; default ./runs/<date>-<preset>" };
        var resume = new Option<string>("--resume")
        {
            Description = "run folder to continue from its last checkpoint; auto: the folder of --out, or the run in ./runs that was begun last, if there is one",
        };
        var interval = new Option<TimeSpan>("--checkpoint-every")
        {
            Description = "longest time between two checkpoints, such as 90s, 10m or 2h; there is one after every epoch in any case",
            DefaultValueFactory = _ => Trainer.UsualCheckpointInterval,
            CustomParser = Duration.Parse,
            HelpName = "TIME",
        };
        var source = new RecipeSource();
        var command = new Command("train", "Trains both phases, evaluates, and leaves everything in a run folder.");
        source.AddTo(command, output, resume, interval);
        command.SetAction((result, cancellation) => Task.FromResult(Run(result, cancellation)));
        return command.WithConvolutionCheck().WithRanks().WithExamples(
            "train --preset cifar10-lt-cpu --data DATA",
            "train --preset cifar10-lt-cpu --data DATA --method oe --seed 1 --out runs/oe-1",
            "train --preset cifar10-lt-cpu --data DATA --from runs/ce-1 --method berl --out runs/berl-1",
            "train --id photos/train --outliers web.tar.gz --ood textures=dtd --ood svhn=svhn.tar --epochs 20 --width 32",
            "train --recipe runs/oe-1/recipe.json --seed 2",
            "train --resume runs/oe-1",
            "train --resume runs/oe-1 --data /new/place/of/DATA");

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var options = new TrainingOptions(ConvolutionOption.IsOn(result), result.GetValue(interval));
            if (FolderToResume(result) is not { } folder)
            {
                return TrainingRun.Start(source.Read(result), result.GetValue(output), options, cancellation);
            }

            if (result.GetValue(resume) == Automatically)
            {
                if (source.Given(result).Any())
                {
                    RequireItsRecipe(folder, source.Read(result));
                }

                return TrainingRun.Continue(folder, RecipeSource.Moved(result), options, cancellation);
            }

            string[] given =
                [.. source.Given(result).Except(RecipeSource.NamesOfImages), .. RecipeOptions.WasGiven(result, output) ? (string[])[output.Name] : []];
            return given.Length == 0
                ? TrainingRun.Continue(folder, RecipeSource.Moved(result), options, cancellation)
                : throw new InputException($"--resume continues a run with its own recipe, so {string.Join(", ", given)} cannot be given with it; only where its images and its backbone are now.");
        }

        // "auto" goes with everything that begins a run, so that one command begins it and continues it.
        string? FolderToResume(ParseResult result) => result.GetValue(resume) switch
        {
            Automatically when result.GetValue(output) is { } folder => File.Exists(RunFolder.At(folder).Recipe) ? folder : null,
            Automatically => source.Given(result).Except(RecipeSource.NamesOfImages).Any()
                ? throw new InputException("--resume auto beside options of a new run needs --out, by which that run is found again.")
                : RunFolder.Latest("runs"),
            var folder => folder,
        };
    }

    // What the machine resolves, and where the images are, may differ from start to start.
    private static void RequireItsRecipe(string folder, Recipe asked)
    {
        var begun = RecipeFile.Read(RunFolder.At(folder).Recipe);
        var (before, now) = (Values(begun), Values(asked));
        if (before.FirstOrDefault(value => now.GetValueOrDefault(value.Key) != value.Value) is { Key: { } name, Value: var was })
        {
            throw new InputException(
                $"The run in {folder} was begun with {name} {was}, but {now.GetValueOrDefault(name, "none")} is asked for; --resume auto continues a run as it was begun. "
                + "Ask for the same, or choose another --out.");
        }

        SortedDictionary<string, string> Values(Recipe recipe) => RecipeValues.Of(RecipeFile.Write(recipe with
        {
            Precision = asked.Precision == Precision.Auto ? Precision.Auto : recipe.Precision,
            Backbone = recipe.Backbone with
            {
                Path = null,
                Sha256 = null,
                ImageSize = null,
                Cache = null,
                Output = asked.Backbone.Output is null ? null : recipe.Backbone.Output,
            },
            Data = recipe.Data with { InDistribution = null, Root = null, Outliers = null, OutOfDistribution = [], ExcludedSets = [] },
        }));
    }

    private const string Automatically = "auto";
}

/// <summary>What a training does beside its recipe.</summary>
/// <param name="ChecksConvolutions">Whether the convolutions are checked first.</param>
/// <param name="CheckpointInterval">Longest time between two checkpoints.</param>
internal sealed record TrainingOptions(bool ChecksConvolutions, TimeSpan CheckpointInterval)
{
    /// <summary>What is done where nothing else is asked for.</summary>
    public static TrainingOptions Usual { get; } = new(ChecksConvolutions: true, Trainer.UsualCheckpointInterval);
}

/// <summary>
/// Turns the first signal into a cancelled <see cref="Token"/>, so that the work can stop in good order and save. A second signal acts as
/// if nobody listened: Ctrl-C pressed twice ends the process at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public Interruption(params PosixSignal[] signals) =>
        registrations = Array.ConvertAll(signals, signal => PosixSignalRegistration.Create(signal, OnSignal));

    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        Array.ForEach(registrations, registration => registration.Dispose());
        source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (!source.IsCancellationRequested)
        {
            context.Cancel = true;
            Console.Error.WriteLine("Stopping; press Ctrl-C again to stop at once.");
            ProcessGroup.Current.AskToStop();
            source.Cancel();
        }
    }
}

/// <summary>Times on the command line: a number and <c>s</c>, <c>m</c> or <c>h</c>.</summary>
internal static class Duration
{
    private static readonly Dictionary<char, double> secondsOf = new() { ['s'] = 1, ['m'] = 60, ['h'] = 3600 };

    /// <summary>Reads the value of an option; what is no time becomes an error of the command line.</summary>
    public static TimeSpan Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (text.Length > 1
            && secondsOf.TryGetValue(text[^1], out var unit)
            && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * unit is > 0 and < 1e9 and var seconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"'{text}' is no time; expected a number above 0 and s, m or h, such as 10m.");
        return default;
    }
}
