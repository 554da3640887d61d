using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>train</c>: both phases of a recipe, then the evaluation.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var output = new Option<string>("--out") { Description = "run folder; default ./runs/<date>-<preset>" };
        var resume = new Option<string>("--resume") { Description = "run folder to continue from its last checkpoint" };
        var source = new RecipeSource();
        var command = new Command("train", "Trains both phases, evaluates, and leaves everything in a run folder.");
        source.AddTo(command, output, resume);
        command.SetAction((result, cancellation) => Task.FromResult(Run(result, cancellation)));
        return command.WithConvolutionCheck().WithExamples(
            "train --preset cifar10-lt-cpu --data DATA",
            "train --preset cifar10-lt-cpu --data DATA --method oe --seed 1 --out runs/oe-1",
            "train --preset cifar10-lt-cpu --data DATA --from runs/ce-1 --method berl --out runs/berl-1",
            "train --id photos/train --outliers web.tar.gz --ood textures=dtd --ood svhn=svhn.tar --epochs 20 --width 32",
            "train --recipe runs/oe-1/recipe.json --seed 2",
            "train --resume runs/oe-1");

        int Run(ParseResult result, CancellationToken cancellation)
        {
            if (result.GetValue(resume) is not { } folder)
            {
                return TrainingRun.Start(source.Read(result), result.GetValue(output), ConvolutionOption.IsOn(result), cancellation);
            }

            string[] given = [.. source.Given(result), .. RecipeOptions.WasGiven(result, output) ? (string[])[output.Name] : []];
            return given.Length == 0
                ? TrainingRun.Continue(folder, ConvolutionOption.IsOn(result), cancellation)
                : throw new InputException($"--resume continues a run with its own recipe, so {string.Join(", ", given)} cannot be given with it.");
        }
    }
}
