using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>A run as the user sees it: the data, the progress, the table, and where the folder is.</summary>
internal static class TrainingRun
{
    /// <summary>Trains a recipe in a new run folder and evaluates it.</summary>
    public static int Start(Recipe recipe, string? output, CancellationToken cancellation)
    {
        var data = ReadForTraining(recipe);
        StartingWeights.Check(recipe, data.Training.ClassNames);
        using var folder = RunFolder.Create(recipe.Preset, output);
        using var trainer = new Trainer(recipe, data, folder);
        folder.WriteRecipe(RecipeFile.Write(trainer.Recipe));
        return Finish(trainer, data, folder, cancellation);
    }

    /// <summary>Continues the run in a folder from its last checkpoint.</summary>
    public static int Continue(string path, CancellationToken cancellation)
    {
        using var folder = RunFolder.Resume(path);
        var checkpoint = Checkpoint.Open(folder.Checkpoint);
        var recipe = RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint);
        var data = ReadForTraining(recipe);
        using var trainer = new Trainer(recipe, data, folder);
        trainer.Resume(checkpoint);
        return Finish(trainer, data, folder, cancellation);
    }

    /// <summary>Evaluates a trained run, on the sets of its recipe or on <paramref name="sets"/>.</summary>
    public static int Evaluate(string path, IReadOnlyList<NamedPath> sets, string? output, bool withDetails)
    {
        var folder = RunFolder.Open(path);
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        var trained = RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint);
        var recipe = trained with { Data = trained.Data with { OutOfDistribution = sets.Count > 0 ? sets : trained.Data.OutOfDistribution } };
        var data = TrainingDataReader.Read(recipe, withOutliers: false);
        using var device = ComputeDevice.Open("auto", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, checkpoint.Info.ClassNames.Count, device);
        checkpoint.LoadInto(model);
        var report = Evaluate(recipe, data, model, withDetails);
        if ((output ?? (sets.Count == 0 ? folder.Report : null)) is { } file)
        {
            Write(report, data, file);
            AnsiConsole.WriteLine($"Report: {file}");
        }

        return ExitCode.Done;
    }

    private static int Finish(Trainer trainer, TrainingData data, RunFolder folder, CancellationToken cancellation)
    {
        AnsiConsole.WriteLine($"Run folder: {folder.Root}");
        AnsiConsole.WriteLine($"Computes on: {trainer.Device}");
        try
        {
            TrainingProgress.Show(AnsiConsole.Console, progress => trainer.Run(progress, cancellation));
        }
        catch (OperationCanceledException)
        {
            AnsiConsole.WriteLine($"Interrupted; continue with: train --resume {folder.Root}");
            throw;
        }

        Write(Evaluate(trainer.Recipe, data, trainer.Model, withDetails: false), data, folder.Report);
        AnsiConsole.WriteLine($"Run folder: {folder.Root}");
        return ExitCode.Done;
    }

    /// <summary>Reads a recipe's images, shows what they are, and checks that training can begin.</summary>
    public static TrainingData ReadForTraining(Recipe recipe)
    {
        recipe.Validate();
        var data = TrainingDataReader.Read(recipe);
        DataSummary.Write(AnsiConsole.Console, data);
        Trainer.Check(recipe, data);
        return data;
    }

    private static void Write(EvaluationReport report, TrainingData data, string file)
    {
        report.Write(file);
        ContactSheet.Write(RunFolder.WorstBeside(file), report.Worst, data.Test, data.OutOfDistribution);
    }

    private static EvaluationReport Evaluate(Recipe recipe, TrainingData data, DualBranchResNet model, bool withDetails)
    {
        var counts = data.Training.CountPerClass();
        var report = Evaluator.Evaluate(
            images => Predictions.Of(model, images), data.Test, data.OutOfDistribution,
            new EvaluationProtocol(counts, recipe.Tail(counts).Flags, ShotGroups.UsualRule(counts.Length)));
        EvaluationTable.Write(AnsiConsole.Console, report, withDetails);
        return report;
    }
}
