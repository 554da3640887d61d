using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

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
