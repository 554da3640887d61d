namespace Pascl.Training.Evaluation;

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
