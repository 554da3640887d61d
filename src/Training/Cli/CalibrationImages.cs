using Pascl.Training.Data;

namespace Pascl.Training.Cli;

/// <summary>The in-distribution images by which a threshold is chosen.</summary>
/// <param name="Images">The images, with the run's classes or without any.</param>
/// <param name="Description">What they are, after their number.</param>
/// <param name="Warning">Why they are not what one would want, or null.</param>
internal sealed record CalibrationImages(ImageSet Images, string Description, string? Warning)
{
    /// <summary>Images that the user names, else those that the run held out, else its test images with a warning.</summary>
    /// <exception cref="InputException">The images cannot be used, or have other classes than the run.</exception>
    public static CalibrationImages Choose(TrainedRun run, string? path)
    {
        if (path is not null)
        {
            return Read(run, path);
        }

        return run.Data.Validation is { } heldOut
            ? new(heldOut, "training images that the run held out (--validation); they chose its best epoch and were not trained on", null)
            : new(run.Data.Test, "images of the run's TEST SET", TestSetWarning);
    }

    private const string TestSetWarning =
        "the run held out no images, so the threshold is chosen on the test set: its accepted share is no test of the threshold any more. " +
        "Name other in-distribution images with --id, or train with --validation 0.1.";

    private static CalibrationImages Read(TrainedRun run, string path)
    {
        var skipped = new List<string>();
        var data = run.Recipe.Data;
        var images = Datasets.ReadHeldOut(path, new ReadOptions(run.Data.Training.Height, data.SkipBroken), skipped);
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
