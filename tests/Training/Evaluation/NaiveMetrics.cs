using Pascl.Training.Evaluation;

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

    /// <summary>The trapezoids between precision and recall at all thresholds, from the point (0, 1).</summary>
    public static double PrecisionRecallArea(double[] positives, double[] negatives)
    {
        var points = Thresholds(positives, negatives)
            .Select(threshold => (
                Recall: Share(positives, threshold),
                Precision: positives.Count(p => p >= threshold) / (double)positives.Concat(negatives).Count(score => score >= threshold)))
            .Prepend((Recall: 0.0, Precision: 1.0))
            .ToArray();
        return points.Zip(points.Skip(1), (a, b) => (b.Recall - a.Recall) * (a.Precision + b.Precision) / 2).Sum();
    }

    /// <summary>Ranks the positives and counts the negatives above the floor(level n)-th.</summary>
    public static double FprAbove(double[] positives, double[] negatives, double level)
    {
        var threshold = positives.OrderDescending().ElementAt(Math.Max(0, (int)Math.Floor(level * positives.Length) - 1));
        return negatives.Count(n => n > threshold) / (double)negatives.Length;
    }

    /// <summary>
    /// AURC, E-AURC and AUGRC as sums over k, where the errors among the first k of tied images are the mean over all places of each.
    /// </summary>
    public static SelectiveRisk Risk(double[] scores, bool[] errors)
    {
        var n = scores.Length;
        double Accumulated(int k, Func<int, double> score) => Enumerable.Range(0, n).Where(i => errors[i]).Sum(i =>
        {
            var (before, tied) = (Enumerable.Range(0, n).Count(j => score(j) < score(i)), Enumerable.Range(0, n).Count(j => score(j) == score(i)));
            return Math.Clamp((k - before) / (double)tied, 0, 1);
        });
        double Area(Func<int, double> score) => Enumerable.Range(1, n).Average(k => Accumulated(k, score) / k);
        var aurc = Area(i => scores[i]);
        return new(aurc, aurc - Area(i => errors[i] ? n + i : i), Enumerable.Range(1, n).Average(k => Accumulated(k, i => scores[i]) / n));
    }

    public static double CalibrationError(double[] probabilities, bool[] errors) =>
        Enumerable.Range(0, 15).Sum(bin =>
        {
            int[] inside = [.. Enumerable.Range(0, probabilities.Length).Where(i => Bin(probabilities[i]) == bin)];
            return inside.Length == 0 ? 0
                : inside.Length / (double)probabilities.Length
                * Math.Abs(inside.Average(i => probabilities[i]) - (inside.Count(i => !errors[i]) / (double)inside.Length));
        });

    public static double CorrectClassification(double rate, double[] outScores, double[] scores, bool[] errors)
    {
        var threshold = outScores.Order().ElementAt((int)Math.Ceiling(rate * outScores.Length) - 1);
        return scores.Where((score, i) => !errors[i] && score < threshold).Count() / (double)scores.Length;
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

    // The lowest of the bins (0, 1/15], (1/15, 2/15] ... whose end is not below the probability.
    private static int Bin(double probability) => Enumerable.Range(0, 15).First(bin => bin == 14 || 15 * probability <= bin + 1);

    private static double[] Thresholds(double[] positives, double[] negatives) =>
        [.. positives.Concat(negatives).Distinct().OrderDescending()];

    private static double Share(double[] scores, double threshold) => scores.Count(score => score >= threshold) / (double)scores.Length;
}
