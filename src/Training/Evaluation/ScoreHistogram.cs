namespace Pascl.Training.Evaluation;

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
        (string Name, double[] Scores)[] sets = [.. outOfDistribution.Select(set => (set.Images.Name, ScoredImages.Part(set.Images, set.Scores).OutOfDistribution))];
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
