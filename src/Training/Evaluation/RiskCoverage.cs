namespace Pascl.Training.Evaluation;

/// <summary>
/// Accepts images one by one in order of rising score and counts the errors among the accepted. Coverage is the share accepted, risk the
/// share of errors among them.
/// </summary>
public sealed class RiskCoverage
{
    private readonly double[] accumulatedErrors;

    private RiskCoverage(double[] accumulatedErrors) => this.accumulatedErrors = accumulatedErrors;

    /// <summary>Number of images, n.</summary>
    public int Count => accumulatedErrors.Length;

    /// <summary>Sorts and cumulates; O(n log n). The order of images of equal score does not matter.</summary>
    /// <param name="scores">One score per image; higher = less confident.</param>
    /// <param name="errors">Whether the answer for the image is wrong.</param>
    /// <exception cref="ArgumentException">The numbers of scores and errors differ, or a score is not a number.</exception>
    public static RiskCoverage From(ReadOnlySpan<double> scores, ReadOnlySpan<bool> errors)
    {
        if (scores.Length != errors.Length)
        {
            throw new ArgumentException($"There are {scores.Length} scores but {errors.Length} answers; there must be one per image.");
        }

        var (sorted, wrong) = (scores.ToArray(), errors.ToArray());
        Array.Sort(sorted, wrong);
        // Sorting puts what is not a number first.
        return sorted.Length > 0 && double.IsNaN(sorted[0])
            ? throw new ArgumentException("A score is not a number.")
            : new RiskCoverage(Accumulate(sorted, wrong));
    }

    /// <summary>Share of errors among the <paramref name="accepted"/> most confident images, from 1 to all.</summary>
    public double Risk(int accepted) => accumulatedErrors[accepted - 1] / accepted;

    /// <summary>The areas under the curve.</summary>
    public SelectiveRisk Areas()
    {
        if (Count == 0)
        {
            return new(double.NaN, double.NaN, double.NaN);
        }

        var (risk, best, generalised) = (0.0, 0.0, 0.0);
        var right = Count - accumulatedErrors[^1];
        for (var accepted = 1; accepted <= Count; accepted++)
        {
            risk += Risk(accepted);
            best += Math.Max(0, accepted - right) / accepted;
            generalised += accumulatedErrors[accepted - 1] / Count;
        }

        return new(risk / Count, (risk - best) / Count, generalised / Count);
    }

    /// <summary>The curve at the coverages 1 %, 2 % ... 100 %, each rounded up to whole images.</summary>
    public RiskCoverageCurve Curve()
    {
        const int steps = 100;
        int[] accepted = [.. Enumerable.Range(1, Count == 0 ? 0 : steps).Select(step => (int)(((long)step * Count + steps - 1) / steps)).Distinct()];
        return new([.. accepted.Select(count => count / (double)Count)], [.. accepted.Select(Risk)]);
    }

    private static double[] Accumulate(double[] scores, bool[] wrong)
    {
        var accumulated = new double[scores.Length];
        var before = 0;
        for (var (start, end) = (0, 0); start < scores.Length; start = end)
        {
            var errors = 0;
            for (end = start; end < scores.Length && scores[end] == scores[start]; end++)
            {
                errors += wrong[end] ? 1 : 0;
            }

            for (var i = start; i < end; i++)
            {
                accumulated[i] = before + ((double)errors * (i + 1 - start) / (end - start));
            }

            before += errors;
        }

        return accumulated;
    }
}

/// <summary>A risk-coverage curve for plotting; see <see cref="RiskCoverage.Curve"/>.</summary>
/// <param name="Coverage">Shares of the images that are accepted, rising.</param>
/// <param name="Risk">Share of errors among the accepted images, one per coverage.</param>
public sealed record RiskCoverageCurve(double[] Coverage, double[] Risk);

/// <summary>
/// How well a score (higher = less confident) puts wrong answers behind right ones, as areas under risk-coverage curves. With n images in
/// order of falling confidence and E(k) errors among the first k of them; images of equal score share their errors evenly, which is the mean
/// over all orders of them. Every number is <see cref="double.NaN"/> without images. Definitions: Geifman, Uziel and El-Yaniv, ICLR 2019
/// (E-AURC); Traub et al., NeurIPS 2024 (AUGRC).
/// </summary>
/// <param name="Aurc">(1/n) sum_k E(k)/k, the mean risk over all coverages; lower is better.</param>
/// <param name="ExcessAurc">E-AURC: AURC less that of the same errors ranked last; 0 is perfect.</param>
/// <param name="Augrc">(1/n) sum_k E(k)/n, the mean rate of accepted errors; lower is better.</param>
public sealed record SelectiveRisk(double Aurc, double ExcessAurc, double Augrc)
{
    /// <summary>Each number's mean; not a number where one of them is not, or where there are none.</summary>
    public static SelectiveRisk Mean(IReadOnlyList<SelectiveRisk> all) => new(
        OodMetrics.Mean(all, risk => risk.Aurc),
        OodMetrics.Mean(all, risk => risk.ExcessAurc),
        OodMetrics.Mean(all, risk => risk.Augrc));
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
