using System.CommandLine;
using System.Globalization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Page;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary><c>calibrate</c>: the threshold of the deployed model.</summary>
internal static class CalibrateCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var rate = new Option<double>("--tpr")
        {
            Description = "share of in-distribution images to accept, above 0 and at most 1",
            DefaultValueFactory = _ => 0.95,
        };
        var score = new Option<string>("--score")
        {
            Description = "out-of-distribution score: one of an image's logits, NAME or NAME:PARAMETER=VALUE with "
                + string.Join(", ", ScoreSpec.All.Where(known => known.IsOfLogits).Select(score => score.Name)) + "; default: the method's own",
        };
        var images = new Option<string>("--id")
        {
            Description = "in-distribution images that the run was not trained on; default: the images it held out with --validation, "
                + "else its test set, with a warning",
        };
        var trainedOn = new Option<string>("--trained-on") { Description = "where the run's own in-distribution images are now, if they moved" };
        var root = new Option<string>("--root") { Description = "where the images of lists are now, if they moved" };
        var data = new Option<string>("--data") { Description = "where the folder with all images of the run's preset is now, if it moved" };
        var sets = new Option<string[]>("--ood") { Description = RecipeOptions.OutOfDistributionHelp + ", whose rejected share is shown instead of that of the run's own sets" };
        var command = new Command(
            "calibrate",
            "Chooses the threshold on the out-of-distribution score that accepts a given share of held-out in-distribution images, "
            + "stores it in the checkpoint, and shows what it accepts and rejects.")
        {
            run, rate, score, images, trainedOn, root, data, sets,
        };
        command.Aliases.Add("threshold");
        command.SetAction(result => RunCalibration.Run(
            result.GetRequiredValue(run),
            new MovedImages(
                result.GetValue(trainedOn),
                OutOfDistribution: [.. (result.GetValue(sets) ?? []).Select(RecipeOptions.ParseNamedPath)],
                Folder: result.GetValue(data),
                Root: result.GetValue(root))
            {
                Backbone = BackboneOption.File(result),
                FeatureCache = BackboneOption.Cache(result),
            },
            result.GetRequiredValue(rate),
            result.GetValue(score),
            result.GetValue(images),
            ConvolutionOption.IsOn(result)));
        return command.WithBackbone(hasCache: true).WithConvolutionCheck().WithExamples(
            "calibrate runs/oe-1", "calibrate runs/oe-1 --tpr 0.98 --score energy", "calibrate runs/oe-1 --id photos-of-this-year");
    }
}

/// <summary>Chooses a run's threshold, stores it, and shows what it does.</summary>
internal sealed class RunCalibration
{
    private readonly Pascl.Training.Run run;
    private readonly OodScore score;
    private readonly ShotGroups groups;

    private RunCalibration(Pascl.Training.Run run, OodScore score) =>
        (this.run, this.score, groups) = (run, score, ShotGroups.From(run.Info.TrainingCounts, ShotGroups.UsualRule(run.Info.TrainingCounts.Count)));

    /// <summary>Calibrates the run in a folder.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="moved">Where the run's own images are now.</param>
    /// <param name="rate">The share of in-distribution images to accept.</param>
    /// <param name="text">The score; null for the method's own.</param>
    /// <param name="inDistribution">In-distribution images that the run was not trained on; null for its own.</param>
    /// <param name="checksConvolutions">Whether the convolutions are checked first.</param>
    public static int Run(string path, MovedImages moved, double rate, string? text, string? inDistribution, bool checksConvolutions)
    {
        AcceptanceThreshold.CheckRate(rate, "--tpr");
        using var folder = RunFolder.Resume(path);
        using var run = Pascl.Training.Run.Open(folder, moved, precision: Precision.Float32);
        run.Features = FeatureLines.Listener();
        var score = ScoringModel.ScoreOf(text, run.Info, run.Recipe);
        foreach (var missing in run.LeaveOutMissingSets())
        {
            Console.WriteLine($"Note: {missing} is not there any more, so the share of its images that is rejected is left out; name sets with --ood.");
        }

        var chosen = CalibrationImages.Choose(run, inDistribution);
        if (checksConvolutions)
        {
            ConvolutionOption.Warn(run.HasItsImages ? run.CheckConvolutions() : run.CheckConvolutions(chosen.Images));
        }

        new RunCalibration(run, score).Run(rate, chosen);
        return ExitCode.Done;
    }

    private void Run(double rate, CalibrationImages chosen)
    {
        var scores = Scores(chosen.Images);
        var threshold = AcceptanceThreshold.Of(scores, rate);
        if (run.Info.Threshold is { } earlier)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"Replaces the threshold {earlier.Value:R} on {earlier.Score}, chosen on {earlier.Images:N0} images to accept {earlier.TruePositiveRate:P0} of them."));
        }

        var table = new AcceptanceTable(
            score.Name, threshold, rate, scores.Length, ShareInterval.OfFuture(scores.Count(score => score <= threshold), scores.Length), [.. Rows(threshold, chosen, scores)]);
        Checkpoint.Store(run.Folder.Checkpoint, new ScoreThreshold(score.Name, rate, threshold, scores.Length, run.Recipe.Precision));
        run.Folder.WriteThreshold(table);
        AddToReport(table);
        Console.WriteLine($"Chosen on {chosen.Images.Count:N0} {chosen.Description}.");
        if (chosen.Warning is { } warning)
        {
            Console.WriteLine($"Warning: {warning}");
        }

        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"Threshold: an image is accepted if its {score.Name} score is at most {threshold:R}."));
        Console.WriteLine(AcceptanceText.Expected(table));
        AcceptanceText.Write(AnsiConsole.Console, table);
        Console.WriteLine($"Stored in {run.Folder.Checkpoint} and {run.Folder.Threshold}");
        RunPage.TryWrite(run.Folder, Console.Error);
    }

    // An evaluation that comes later takes it from the folder.
    private void AddToReport(AcceptanceTable table)
    {
        if (!File.Exists(run.Folder.Report))
        {
            return;
        }

        try
        {
            (EvaluationReport.Read(run.Folder.Report) with { Threshold = table }).Write(run.Folder.Report);
        }
        catch (InputException exception)
        {
            Console.Error.WriteLine($"Note: the threshold is not in the run's report. {exception.Message}");
        }
    }

    private IEnumerable<AcceptanceRow> Rows(double threshold, CalibrationImages chosen, double[] scores)
    {
        yield return InDistribution("these images", chosen.Images, scores);
        if (!run.HasItsImages)
        {
            yield break;
        }

        if (chosen.Images != run.Images.Test)
        {
            yield return InDistribution("test images", run.Images.Test, Scores(run.Images.Test));
        }

        foreach (var set in run.Images.OutOfDistribution)
        {
            yield return set.Group == SetGroup.Shift ? InDistribution(set.Name, set, Scores(set)) : AcceptanceRow.Of(set.Name, isInDistribution: false, DetectionBySet.Part(set, Scores(set)).OutOfDistribution, threshold);
        }

        AcceptanceRow InDistribution(string name, ImageSet images, double[] ofImages) => AcceptanceRow.OfClasses(name, images, ofImages, threshold, groups);
    }

    private double[] Scores(ImageSet images)
    {
        var predictions = Predictions.Of(run.Network, images);
        predictions.Check(images);
        return score.Of(images, predictions);
    }
}

/// <summary>The in-distribution images by which a threshold is chosen.</summary>
/// <param name="Images">The images, with the run's classes or without any.</param>
/// <param name="Description">What they are, after their number.</param>
/// <param name="Warning">Why they are not what one would want, or null.</param>
internal sealed record CalibrationImages(ImageSet Images, string Description, string? Warning)
{
    /// <summary>Images that the user names, else those that the run held out, else its test images with a warning.</summary>
    /// <exception cref="InputException">The images cannot be used, or have other classes than the run.</exception>
    public static CalibrationImages Choose(Run run, string? path)
    {
        if (path is not null)
        {
            return Read(run, path);
        }

        return run.Images.Validation is { } heldOut
            ? new(heldOut, "training images that the run held out (--validation); they chose its best epoch and were not trained on", null)
            : new(run.Images.Test, "images of the run's TEST SET", TestSetWarning);
    }

    private const string TestSetWarning =
        "the run held out no images, so the threshold is chosen on the test set: its accepted share is no test of the threshold any more. " +
        "Name other in-distribution images with --id, or train with --validation 0.1.";

    private static CalibrationImages Read(Run run, string path)
    {
        var skipped = new List<string>();
        var data = run.Recipe.Data;
        var images = Datasets.ReadHeldOut(path, new ReadOptions(run.Info.ImageSize ?? run.Images.Training.Height, data.SkipBroken) { Geometry = run.Info.Geometry, Root = data.Root }, skipped);
        if (images.Count == 0)
        {
            throw new InputException($"{path} holds no images; a threshold needs at least one.");
        }

        if (images.ClassNames.Except(run.Info.ClassNames).Any())
        {
            throw new InputException(
                $"{path} has the classes {Listed(images.ClassNames)}, but the run was trained on {Listed(run.Info.ClassNames)}. " +
                "Name in-distribution images of the same classes, or a folder of images without classes.");
        }

        var trained = data.InDistribution is { } training && Path.GetFullPath(training) == Path.GetFullPath(path);
        return new(
            images.ClassCount == 0 ? images : images.WithClasses(run.Info.ClassNames),
            $"images of {path}" + (skipped.Count > 0 ? $" ({skipped.Count} broken ones left out)" : ""),
            trained ? "the run was trained on this data set; images that it was trained on get lower scores than new ones." : null);
    }

    private static string Listed(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? $" and {names.Count - 5} more" : "");
}
