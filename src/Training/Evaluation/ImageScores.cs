namespace Pascl.Training.Evaluation;

/// <summary>
/// The deployed score and class of every image of an evaluation, in the order of the sets: the content of <c>images.json</c>, from which differences between runs are
/// drawn again image by image.
/// </summary>
public sealed record ImageScores
{
    /// <summary>The layout that this program writes and reads.</summary>
    public const int CurrentLayout = 1;

    /// <summary>The layout of the file; another than <see cref="CurrentLayout"/> is refused.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>The in-distribution test images.</summary>
    public required ScoredSet Test { get; init; }

    /// <summary>The out-of-distribution sets.</summary>
    public required IReadOnlyList<ScoredSet> Sets { get; init; }

    /// <summary>Reads a file that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, of another kind, or of another layout.</exception>
    public static ImageScores Read(string path)
    {
        var images = ReportJson.Read<ImageScores>(path, new("file of scores", "a file of the scores of images", "test", "it has no test images.", CurrentLayout));
        if (images.Sets.Contains(null!))
        {
            throw new InputException($"{path} is damaged: one of its sets is null.");
        }

        return images.Sets.Prepend(images.Test).FirstOrDefault(set => set.Scores.Length != set.Labels.Length || set.Predictions.Length != set.Labels.Length) is { } ragged
            ? throw new InputException($"{path} is damaged: {ragged.Name} has {ragged.Labels.Length} labels, {ragged.Predictions.Length} classes and {ragged.Scores.Length} scores.")
            : images;
    }

    /// <summary>Writes the file. It appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}

/// <summary>The images of one set.</summary>
/// <param name="Name">Name of the set.</param>
/// <param name="Labels">Label of each image; -1 where it shows none of the classes.</param>
/// <param name="Predictions">Predicted class of each.</param>
/// <param name="Scores">Out-of-distribution score of each.</param>
public sealed record ScoredSet(string Name, int[] Labels, int[] Predictions, double[] Scores)
{
    internal static ScoredSet Of(ScoredImages images) => new(images.Images.Name, images.Images.Labels.ToArray(), images.Predictions, images.Scores);
}
