using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>What a way of using the branches says about every image of a set.</summary>
/// <param name="Images">The images.</param>
/// <param name="Scores">The out-of-distribution score of each.</param>
/// <param name="Predictions">The predicted class of each.</param>
internal sealed record ScoredImages(LabelledSet Images, double[] Scores, int[] Predictions)
{
    public WorstImage At(int index)
    {
        var label = Images.Labels[index];
        return new(
            Images.Name, index, Images.Source(index), label == ImageSet.NoClass ? null : label, Predictions[index], Scores[index]);
    }
}

/// <summary>Images by what the long tail and the detection make of them.</summary>
public enum ImageGroup
{
    /// <summary>Test images of the head classes.</summary>
    Head,

    /// <summary>Test images of the tail classes.</summary>
    Tail,

    /// <summary>Images of none of the classes.</summary>
    OutOfDistribution,
}

/// <summary>
/// The images that the deployed score gets most wrong, the worst first; of equal scores the one that comes first in its set, and in the
/// order of the sets.
/// </summary>
/// <param name="InDistribution">Test images of the highest score.</param>
/// <param name="OutOfDistribution">Images that show none of the classes, of the lowest score, from all out-of-distribution sets.</param>
public sealed record WorstImages(IReadOnlyList<WorstImage> InDistribution, IReadOnlyList<WorstImage> OutOfDistribution)
{
    /// <summary>How many images of each kind are listed at most.</summary>
    public const int Listed = 25;

    /// <summary>Picks the worst of the test set, and of all images without a class in the other sets.</summary>
    internal static WorstImages Pick(ScoredImages test, IReadOnlyList<ScoredImages> outOfDistribution) => new(
        [.. Indices(test).OrderByDescending(i => test.Scores[i]).Take(Listed).Select(test.At)],
        [
            .. outOfDistribution
                .SelectMany(set => Indices(set).Where(i => set.Images.Labels[i] == ImageSet.NoClass).Select(i => (Set: set, Index: i)))
                .OrderBy(image => image.Set.Scores[image.Index])
                .Take(Listed)
                .Select(image => image.Set.At(image.Index)),
        ]);

    private static IEnumerable<int> Indices(ScoredImages set) => Enumerable.Range(0, set.Images.Count);
}

/// <summary>An image on the wrong end of the score.</summary>
/// <param name="Set">Name of the image's set.</param>
/// <param name="Index">Position of the image in its set.</param>
/// <param name="Source">Where the image came from.</param>
/// <param name="Label">Label of its class, or null for an image of none.</param>
/// <param name="Prediction">Label of the predicted class.</param>
/// <param name="Score">Its out-of-distribution score.</param>
public sealed record WorstImage(string Set, int Index, string Source, int? Label, int Prediction, double Score);

/// <summary>
/// How many images have which score, in <see cref="BinCount"/> bins of equal width from the lowest finite score of all to the highest; what lies
/// beyond them counts in the outermost bins.
/// </summary>
/// <param name="Edges">Borders of the bins, one more than there are bins; a score on a border belongs to the bin above it, and the last bin has both.</param>
/// <param name="Head">Test images of the head classes.</param>
/// <param name="Tail">Test images of the tail classes.</param>
/// <param name="Sets">Images of no class of every out-of-distribution set.</param>
public sealed record ScoreHistogram(double[] Edges, int[] Head, int[] Tail, IReadOnlyList<NamedCounts> Sets)
{
    /// <summary>Number of bins.</summary>
    public const int BinCount = 40;

    internal static ScoreHistogram Of(ScoredImages test, IReadOnlyList<ScoredImages> outOfDistribution, IReadOnlyList<bool> tailClasses)
    {
        var labels = test.Images.Labels.ToArray();
        (string Name, double[] Scores)[] sets = [.. outOfDistribution.Select(set => (set.Images.Name, DetectionBySet.Part(set.Images, set.Scores).OutOfDistribution))];
        var (low, high) = Range([test.Scores, .. sets.Select(set => set.Scores)]);
        var width = (high - low) / BinCount;
        return new(
            [.. Enumerable.Range(0, BinCount).Select(i => low + (i * width)), high],
            Count(test.Scores.Where((_, i) => !tailClasses[labels[i]])),
            Count(test.Scores.Where((_, i) => tailClasses[labels[i]])),
            [.. sets.Select(set => new NamedCounts(set.Name, Count(set.Scores)))]);

        int[] Count(IEnumerable<double> scores)
        {
            var counts = new int[BinCount];
            foreach (var score in scores)
            {
                counts[(int)Math.Clamp(Math.Floor((score - low) / width), 0, BinCount - 1)]++;
            }

            return counts;
        }
    }

    // Scores that are all the same get bins around them.
    private static (double Low, double High) Range(double[][] all)
    {
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var score in all.SelectMany(scores => scores).Where(double.IsFinite))
        {
            (low, high) = (Math.Min(low, score), Math.Max(high, score));
        }

        return low < high ? (low, high) : double.IsFinite(low) ? (low - 0.5, low + 0.5) : (0, 1);
    }
}

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
