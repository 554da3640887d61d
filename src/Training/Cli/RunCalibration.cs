using System.Globalization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Page;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>Chooses a run's threshold, stores it, and shows what it does.</summary>
internal sealed class RunCalibration
{
    private readonly TrainedRun run;
    private readonly AcceptanceScore score;
    private readonly ShotGroups groups;

    private RunCalibration(TrainedRun run, AcceptanceScore score) =>
        (this.run, this.score, groups) = (run, score, ShotGroups.From(run.Info.TrainingCounts, ShotGroups.UsualRule(run.Info.TrainingCounts.Count)));

    /// <summary>Calibrates the run in a folder.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="rate">The share of in-distribution images to accept.</param>
    /// <param name="text">The score; null for the method's own.</param>
    /// <param name="inDistribution">In-distribution images that the run was not trained on; null for its own.</param>
    /// <param name="checksConvolutions">Whether the convolutions are checked first.</param>
    public static int Run(string path, double rate, string? text, string? inDistribution, bool checksConvolutions)
    {
        AcceptanceThreshold.CheckRate(rate, "--tpr");
        using var folder = RunFolder.Resume(path);
        var score = Score(folder, text);
        using var run = new TrainedRun(folder, [], checksConvolutions);
        run.RequireItsTrainingImages();
        var calibration = new RunCalibration(run, score);
        calibration.Run(rate, CalibrationImages.Choose(run, inDistribution));
        return ExitCode.Done;
    }

    // A wrong name is said before images are read, which may take minutes.
    private static AcceptanceScore Score(RunFolder folder, string? text)
    {
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        return AcceptanceScore.Of(text, checkpoint.Info, RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint));
    }

    private void Run(double rate, CalibrationImages chosen)
    {
        var scores = Scores(chosen.Images);
        var threshold = AcceptanceThreshold.Of(scores, rate);
        Checkpoint.Store(run.Folder.Checkpoint, new Calibration(score.Name, rate, threshold, scores.Length));
        AnsiConsole.WriteLine($"Chosen on {chosen.Images.Count:N0} {chosen.Description}.");
        if (chosen.Warning is { } warning)
        {
            AnsiConsole.WriteLine($"Warning: {warning}");
        }

        AnsiConsole.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"Threshold: an image is accepted if its {score.Name} score is at most {threshold:R}."));
        WriteAccepted(threshold, chosen, scores);
        WriteRejected(threshold);
        AnsiConsole.WriteLine($"Stored in {run.Folder.Checkpoint}");
        RunPage.TryWrite(run.Folder, Console.Error);
    }

    private void WriteAccepted(double threshold, CalibrationImages chosen, double[] scores)
    {
        var table = new ReportTable(AnsiConsole.Console, "accepted", "images", "all", "many", "medium", "few");
        Add("these images", chosen.Images, scores);
        if (chosen.Images != run.Data.Test)
        {
            Add("test images", run.Data.Test, Scores(run.Data.Test));
        }

        table.Write("Accepted in-distribution images, %; many, medium and few: mean over the classes of the shot group");

        void Add(string name, ImageSet images, double[] ofImages)
        {
            var shares = Accepted(images, ofImages, threshold);
            double[] numbers = [shares.Overall, shares.Many, shares.Medium, shares.Few];
            table.AddCells(name, [Count(images.Count), .. numbers.Select(ReportTable.Percentage)]);
        }
    }

    private void WriteRejected(double threshold)
    {
        if (run.Data.OutOfDistribution.Count == 0)
        {
            return;
        }

        ReportTable.WidenFor(AnsiConsole.Console, run.Data.OutOfDistribution.Select(set => set.Name));
        var table = new ReportTable(AnsiConsole.Console, "OOD set", "images", "rejected");
        foreach (var set in run.Data.OutOfDistribution)
        {
            var (outScores, _) = ScoredImages.Part(set, Scores(set));
            table.AddCells(set.Name, [Count(outScores.Length), ReportTable.Percentage(outScores.Average(score => score > threshold ? 1.0 : 0))]);
        }

        table.Write("Rejected out-of-distribution images, %");
    }

    private ShotShares Accepted(ImageSet images, double[] scores, double threshold)
    {
        if (images.ClassCount == 0)
        {
            return new(scores.Average(score => score <= threshold ? 1.0 : 0), double.NaN, double.NaN, double.NaN);
        }

        var accepted = new ClassTally(groups.ClassCount);
        for (var i = 0; i < scores.Length; i++)
        {
            accepted.Add(images.Labels[i], scores[i] <= threshold);
        }

        return accepted.Shares(groups);
    }

    private double[] Scores(ImageSet images)
    {
        var predictions = Predictions.Of(run.Model, images);
        EvaluationInputs.Check(images, predictions);
        return score.Of(predictions);
    }

    private static string Count(int images) => images.ToString(CultureInfo.InvariantCulture);
}
