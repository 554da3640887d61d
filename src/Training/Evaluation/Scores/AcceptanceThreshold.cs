namespace Pascl.Training.Evaluation.Scores;

/// <summary>The threshold on a score that accepts a given share of images; an image is accepted if its score is at most the threshold.</summary>
public static class AcceptanceThreshold
{
    /// <summary>
    /// The lowest score of an image that accepts at least the share: the k-th lowest with the smallest k for which k / n is at least the share. Images that tie
    /// with it are accepted too, so that more may be accepted than asked for.
    /// </summary>
    /// <param name="scores">Scores of n in-distribution images, at least one.</param>
    /// <param name="share">Above 0 and at most 1.</param>
    /// <exception cref="InputException">The share is out of its range.</exception>
    /// <exception cref="ArgumentException">There are no scores.</exception>
    public static double Of(IReadOnlyList<double> scores, double share)
    {
        CheckRate(share, "The share of images to accept");
        if (scores.Count == 0)
        {
            throw new ArgumentException("There are no scores; a threshold needs at least one.");
        }

        double[] sorted = [.. scores.Order()];

        // In whole numbers of images: share * n can round to either side of one.
        var accepted = Math.Max(1, (int)(share * sorted.Length) - 1);
        while (accepted / (double)sorted.Length < share)
        {
            accepted++;
        }

        return sorted[accepted - 1];
    }

    internal static void CheckRate(double share, string name)
    {
        if (!(share > 0 && share <= 1))
        {
            throw new InputException(FormattableString.Invariant($"{name} is {share}; it must be above 0 and at most 1, such as 0.95."));
        }
    }
}
