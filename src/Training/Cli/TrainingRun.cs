using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Page;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>A run as the user sees it: the data, the progress, the table, and where the folder is.</summary>
internal static class TrainingRun
{
    /// <summary>Trains a recipe in a new run folder and evaluates it.</summary>
    public static int Start(Recipe recipe, string? output, bool checksConvolutions, CancellationToken cancellation)
    {
        var data = ReadForTraining(recipe);
        StartingWeights.Check(recipe, data.Training.ClassNames);
        using var folder = RunFolder.Create(recipe.Preset, output);
        if (folder.AbruptEndOfNeighbour() is { } abrupt)
        {
            Console.Error.WriteLine(abrupt);
        }

        using var trainer = new Trainer(recipe, data, folder) { ChecksConvolutions = checksConvolutions };
        folder.WriteRecipe(RecipeFile.Write(trainer.Recipe));
        return Finish(trainer, data, folder, cancellation);
    }

    /// <summary>Continues the run in a folder from its last checkpoint.</summary>
    public static int Continue(string path, bool checksConvolutions, CancellationToken cancellation)
    {
        using var folder = RunFolder.Resume(path);
        if (folder.AbruptEnd is { } abrupt)
        {
            Console.Error.WriteLine(abrupt);
        }

        var checkpoint = Checkpoint.Open(folder.Checkpoint);
        var recipe = RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint);
        var data = ReadForTraining(recipe);
        using var trainer = new Trainer(recipe, data, folder) { ChecksConvolutions = checksConvolutions };
        trainer.Resume(checkpoint);
        return Finish(trainer, data, folder, cancellation);
    }

    /// <summary>Evaluates a trained run, on the sets of its recipe or on <paramref name="sets"/>.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="sets">The out-of-distribution sets; the run's own where there are none.</param>
    /// <param name="output">The report's file, or an existing folder for it; null for the run folder, and for nothing with <paramref name="sets"/>.</param>
    /// <param name="withDetails">Whether more tables are printed.</param>
    /// <param name="scores">The scores that are compared with each other beside the evaluation, or none.</param>
    /// <param name="checksConvolutions">Whether the convolutions are checked first.</param>
    public static int Evaluate(
        string path, IReadOnlyList<NamedPath> sets, string? output, bool withDetails, IReadOnlyList<ScoreSpecification> scores, bool checksConvolutions)
    {
        var folder = RunFolder.Open(path);
        var files = FilesOf(folder, sets, output);
        using var run = new TrainedRun(folder, sets, checksConvolutions, scores.Any(InputPerturbation.IsTakenBy));
        var passes = new Dictionary<ImageSet, FeaturePass>();
        var (evaluation, report) = Evaluate(run.Recipe, run.Data, scores.Count == 0 ? images => Predictions.Of(run.Model, images) : Keep, withDetails);
        var scoreReport = scores.Count == 0 ? null : Compare(run, scores, passes);
        if (files is not null)
        {
            Write(report, files, run.Data);
            AnsiConsole.WriteLine($"Report: {files.Report}");
            if (scoreReport is not null)
            {
                scoreReport.Write(files.Scores);
                AnsiConsole.WriteLine($"Scores: {files.Scores}");
            }

            WritePage(evaluation, run.Recipe, run.Data, run.Model, folder, files);
            AnsiConsole.WriteLine($"Page: {files.Page}");
        }

        return ExitCode.Done;

        Predictions Keep(ImageSet images) => (passes[images] = FeaturePass.Of(run.Model, images)).Predictions;
    }

    private static EvaluationFiles? FilesOf(RunFolder folder, IReadOnlyList<NamedPath> sets, string? output)
    {
        if (output is null)
        {
            return sets.Count == 0 ? folder.Evaluation : null;
        }

        var files = new EvaluationFiles(Directory.Exists(output) ? Path.Combine(output, Path.GetFileName(folder.Report)) : output);
        return files.Page != files.Report
            ? files
            : throw new InputException($"{files.Report} is the name of the page that goes with the report; end --out in .json.");
    }

    private static ScoreReport Compare(TrainedRun run, IReadOnlyList<ScoreSpecification> scores, Dictionary<ImageSet, FeaturePass> passes)
    {
        run.RequireItsTrainingImages();
        var fitting = new ScoreFitting(run.Model, run.Data.Training);
        var report = ScoreReport.Measure(
            passes[run.Data.Test], [.. run.Data.OutOfDistribution.Select(set => passes[set])], [.. scores.Select(score => score.Fit(fitting))]);
        ScoreTable.Write(AnsiConsole.Console, report);
        return report;
    }

    private static int Finish(Trainer trainer, TrainingData data, RunFolder folder, CancellationToken cancellation)
    {
        AnsiConsole.WriteLine($"Run folder: {folder.Root}");
        AnsiConsole.WriteLine($"Computes on: {trainer.Device}");
        var convolutions = trainer.ChecksConvolutions ? trainer.CheckConvolutions() : null;
        ConvolutionOption.Warn(convolutions);
        folder.WriteMachine([.. MachineReport.Parts(), ("computes on", trainer.Device), .. convolutions?.Rows ?? []]);
        try
        {
            TrainingProgress.Show(AnsiConsole.Console, progress => trainer.Run(progress, cancellation));
        }
        catch (OperationCanceledException)
        {
            AnsiConsole.WriteLine($"Interrupted; continue with: train --resume {folder.Root}");
            throw;
        }

        var (evaluation, report) = Evaluate(trainer.Recipe, data, images => Predictions.Of(trainer.Model, images), withDetails: false);
        Write(report, folder.Evaluation, data);
        WritePage(evaluation, trainer.Recipe, data, trainer.Model, folder, folder.Evaluation);
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
        ThreadWarning.Write(recipe, Console.Error);
        return data;
    }

    private static void Write(EvaluationReport report, EvaluationFiles files, TrainingData data)
    {
        report.Write(files.Report);
        ContactSheet.Write(files.Worst, report.Worst, data.Test, data.OutOfDistribution);
    }

    private static void WritePage(
        Evaluator evaluation, Recipe recipe, TrainingData data, DualBranchResNet model, RunFolder folder, EvaluationFiles files)
    {
        var features = FeatureMap.Of(model, data.Test, data.OutOfDistribution, Protocol(recipe, data).TailClasses);
        new EvaluationFigures { Detection = evaluation.Figures(), Features = features }.Write(files.Figures);
        RunPage.Write(folder, files);
    }

    private static EvaluationProtocol Protocol(Recipe recipe, TrainingData data)
    {
        var counts = data.Training.CountPerClass();
        return new EvaluationProtocol(counts, recipe.Tail(counts).Flags, ShotGroups.UsualRule(counts.Length));
    }

    private static (Evaluator Evaluation, EvaluationReport Report) Evaluate(
        Recipe recipe, TrainingData data, Func<ImageSet, Predictions> predict, bool withDetails)
    {
        var evaluation = Evaluator.Of(predict, data.Test, data.OutOfDistribution, Protocol(recipe, data));
        var report = evaluation.Report();
        EvaluationTable.Write(AnsiConsole.Console, report, withDetails);
        return (evaluation, report);
    }
}
