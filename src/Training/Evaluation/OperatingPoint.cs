namespace Pascl.Training.Evaluation;

/// <summary>
/// What a threshold on the score does. An image is rejected when its score is above the threshold and accepted otherwise. Classification
/// and rejection are those of the in-distribution test images; NaN where there is nothing to count, for example an accuracy when no image
/// is accepted.
/// </summary>
/// <param name="Rate">Which rate the threshold was chosen by.</param>
/// <param name="Level">The rate asked for; the point is the one of the ROC, collinear points dropped, that is nearest to it.</param>
/// <param name="Threshold">The score at that point.</param>
/// <param name="FalsePositiveRate">Share of in-distribution images whose score is at least the threshold.</param>
/// <param name="TruePositiveRate">Share of out-of-distribution images whose score is at least the threshold.</param>
/// <param name="Accuracy">Share classified correctly among the accepted test images.</param>
/// <param name="TestFalsePositiveRate">Share of the test images whose score is at least the threshold.</param>
/// <param name="Rejection">
/// Share of the test images that are rejected: as <paramref name="TestFalsePositiveRate"/>, but without those exactly at the threshold.
/// </param>
/// <param name="RejectionPerClass">Share rejected of each class's test images.</param>
public sealed record OperatingPoint(
    OperatingRate Rate,
    double Level,
    double Threshold,
    double FalsePositiveRate,
    double TruePositiveRate,
    ShotShares Accuracy,
    ShotShares TestFalsePositiveRate,
    ShotShares Rejection,
    double[] RejectionPerClass)
{
    /// <summary>
    /// The levels reported: false-positive rates 0.0001, 0.001, 0.01, 0.1 and true-positive rates 0.98, 0.95, 0.90, 0.80.
    /// </summary>
    public static IReadOnlyList<(OperatingRate Rate, double Level)> UsualLevels { get; } =
    [
        .. new[] { 0.0001, 0.001, 0.01, 0.1 }.Select(level => (OperatingRate.FalsePositive, level)),
        .. new[] { 0.98, 0.95, 0.90, 0.80 }.Select(level => (OperatingRate.TruePositive, level)),
    ];

    /// <summary>Position of the true-positive rate 0.95 in <see cref="UsualLevels"/>.</summary>
    public static int At95 { get; } = Enumerable.Range(0, UsualLevels.Count).Single(i => UsualLevels[i] == (OperatingRate.TruePositive, 0.95));

    /// <summary>The operating points at <see cref="UsualLevels"/>.</summary>
    /// <param name="curve">Out-of-distribution against in-distribution images.</param>
    /// <param name="scores">Score of each in-distribution test image.</param>
    /// <param name="labels">Label of each of them.</param>
    /// <param name="predictions">Predicted class of each of them.</param>
    /// <param name="groups">The shot group of every class.</param>
    public static OperatingPoint[] Compute(RocCurve curve, double[] scores, int[] labels, int[] predictions, ShotGroups groups)
    {
        var corners = curve.WithoutCollinearPoints();
        return [.. UsualLevels.Select(chosen => At(chosen.Rate, chosen.Level, corners, scores, labels, predictions, groups))];
    }

    /// <summary>Each number's mean over several evaluations at the same levels; a mean threshold has no meaning and is NaN.</summary>
    public static OperatingPoint[] Mean(IReadOnlyList<IReadOnlyList<OperatingPoint>> evaluations) =>
        [.. UsualLevels.Select((_, level) => Mean([.. evaluations.Select(points => points[level])]))];

    private static OperatingPoint Mean(OperatingPoint[] all) => new(
        all[0].Rate,
        all[0].Level,
        double.NaN,
        all.Average(p => p.FalsePositiveRate),
        all.Average(p => p.TruePositiveRate),
        ShotShares.Mean([.. all.Select(p => p.Accuracy)]),
        ShotShares.Mean([.. all.Select(p => p.TestFalsePositiveRate)]),
        ShotShares.Mean([.. all.Select(p => p.Rejection)]),
        [.. all[0].RejectionPerClass.Select((_, c) => all.Average(p => p.RejectionPerClass[c]))]);

    private static OperatingPoint At(
        OperatingRate rate, double level, RocCurve corners, double[] scores, int[] labels, int[] predictions, ShotGroups groups)
    {
        var point = rate == OperatingRate.FalsePositive
            ? corners.NearestToFalsePositiveRate(level)
            : corners.NearestToTruePositiveRate(level);
        var correct = new ClassTally(groups.ClassCount);
        var falsePositive = new ClassTally(groups.ClassCount);
        var rejected = new ClassTally(groups.ClassCount);
        for (var i = 0; i < scores.Length; i++)
        {
            falsePositive.Add(labels[i], scores[i] >= point.Threshold);
            rejected.Add(labels[i], scores[i] > point.Threshold);
            if (scores[i] <= point.Threshold)
            {
                correct.Add(labels[i], predictions[i] == labels[i]);
            }
        }

        return new(
            rate,
            level,
            point.Threshold,
            corners.FalsePositiveRate(point),
            corners.TruePositiveRate(point),
            correct.Shares(groups),
            falsePositive.Shares(groups),
            rejected.Shares(groups),
            rejected.PerClass());
    }
}

/// <summary>The rate by which a threshold is chosen; out-of-distribution is positive.</summary>
public enum OperatingRate
{
    /// <summary>Share of in-distribution images called out-of-distribution.</summary>
    FalsePositive,

    /// <summary>Share of out-of-distribution images called so.</summary>
    TruePositive,
}

/// <summary>
/// CCR@FPR, the rate of test images that are classified correctly and surer than all but a share of the out-of-distribution images. Unlike
/// an accuracy among the accepted, it falls with every correct image that is rejected. With m out-of-distribution images the threshold is
/// the ceil(FPR m)-th lowest of their scores, and a test image must be strictly below it. Source: the evaluators of SC-OOD and OpenOOD.
/// </summary>
/// <param name="FalsePositiveRate">Share of out-of-distribution images that may be accepted.</param>
/// <param name="Rate">Share of the test images that are correct and accepted; <see cref="double.NaN"/> without any.</param>
public sealed record CorrectClassification(double FalsePositiveRate, double Rate)
{
    /// <summary>The rates reported: 0.0001, 0.001, 0.01 and 0.1.</summary>
    public static IReadOnlyList<double> UsualRates { get; } = [0.0001, 0.001, 0.01, 0.1];

    /// <summary>CCR at one rate.</summary>
    /// <param name="falsePositiveRate">Share of out-of-distribution images that may be accepted, in (0, 1].</param>
    /// <param name="curve">The curve whose positives are the out-of-distribution images.</param>
    /// <param name="scores">Score of each test image.</param>
    /// <param name="errors">Whether its class is wrong.</param>
    public static CorrectClassification At(
        double falsePositiveRate, RocCurve curve, ReadOnlySpan<double> scores, ReadOnlySpan<bool> errors)
    {
        var accepted = (int)Math.Ceiling(falsePositiveRate * curve.Positives);
        // The k-th lowest of m scores is the (m - k + 1)-th highest.
        var threshold = curve.FirstWithTruePositives(curve.Positives - accepted + 1).Threshold;
        var count = 0;
        for (var i = 0; i < scores.Length; i++)
        {
            count += !errors[i] && scores[i] < threshold ? 1 : 0;
        }

        return new(falsePositiveRate, count / (double)scores.Length);
    }

    /// <summary>Each rate's mean over several evaluations at the same false-positive rates.</summary>
    public static CorrectClassification[] Mean(IReadOnlyList<IReadOnlyList<CorrectClassification>> evaluations) =>
        [.. UsualRates.Select((rate, i) => new CorrectClassification(rate, OodMetrics.Mean(evaluations, rates => rates[i].Rate)))];
}
