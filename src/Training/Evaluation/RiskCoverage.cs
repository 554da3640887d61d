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
