namespace Pascl.Tests.Training.Evaluation;

/// <summary>The metrics straight from their definitions, one comparison per pair or threshold: the judge of the fast ones.</summary>
internal static class NaiveMetrics
{
    public static double Auroc(double[] positives, double[] negatives) =>
        positives.Average(p => negatives.Average(n => p > n ? 1.0 : p == n ? 0.5 : 0.0));

    public static double AveragePrecision(double[] positives, double[] negatives)
    {
        var (sum, recallBefore) = (0.0, 0.0);
        foreach (var threshold in Thresholds(positives, negatives))
        {
            var recall = Share(positives, threshold);
            var called = positives.Count(p => p >= threshold) + negatives.Count(n => n >= threshold);
            sum += (recall - recallBefore) * positives.Count(p => p >= threshold) / called;
            recallBefore = recall;
        }

        return sum;
    }

    /// <summary>
    /// All thresholds ranked by distance, then recall (higher first), then false positives (more first); none above the first of full
    /// recall.
    /// </summary>
    public static double FprAtNearestRecall(double[] positives, double[] negatives, double level)
    {
        var full = positives.Min();
        return Thresholds(positives, negatives)
            .Where(threshold => threshold >= full)
            .OrderBy(threshold => Math.Abs(Share(positives, threshold) - level))
            .ThenByDescending(threshold => Share(positives, threshold))
            .ThenByDescending(threshold => Share(negatives, threshold))
            .Select(threshold => Share(negatives, threshold))
            .First();
    }

    public static double FprAtFirstRecall(double[] positives, double[] negatives, double level) =>
        Thresholds(positives, negatives)
            .Where(threshold => Share(positives, threshold) >= level)
            .Min(threshold => Share(negatives, threshold));

    public static double[] Negated(double[] scores) => [.. scores.Select(score => -score)];

    private static double[] Thresholds(double[] positives, double[] negatives) =>
        [.. positives.Concat(negatives).Distinct().OrderDescending()];

    private static double Share(double[] scores, double threshold) => scores.Count(score => score >= threshold) / (double)scores.Length;
}
