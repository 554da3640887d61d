namespace Pascl.Training.Evaluation;

/// <summary>
/// How far stated probabilities are from what happens: images in <see cref="BinCount"/> bins of equal width by the probability of their
/// predicted class, bin b = (b/15, (b+1)/15], that is ceil(15 p) - 1 within 0 to 14. Sources: Naeini, Cooper and Hauskrecht, AAAI 2015; Guo
/// et al., ICML 2017.
/// </summary>
/// <param name="ExpectedCalibrationError">
/// ECE = sum_b (n_b / n) |mean probability - share correct|; <see cref="double.NaN"/> without images.
/// </param>
/// <param name="Images">Images in each bin, n_b.</param>
/// <param name="MeanProbability">Mean probability of each bin's images; NaN in an empty bin.</param>
/// <param name="Accuracy">Share of each bin's images classified correctly; NaN in an empty bin.</param>
public sealed record Calibration(double ExpectedCalibrationError, int[] Images, double[] MeanProbability, double[] Accuracy)
{
    /// <summary>Bins of a fifteenth each, as in Guo et al.</summary>
    public const int BinCount = 15;

    /// <summary>Bins the images and compares.</summary>
    /// <param name="probabilities">Probability of the predicted class of each image, from 0 to 1.</param>
    /// <param name="errors">Whether that class is wrong.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a probability is not from 0 to 1.</exception>
    public static Calibration Compute(ReadOnlySpan<double> probabilities, ReadOnlySpan<bool> errors)
    {
        if (probabilities.Length != errors.Length)
        {
            throw new ArgumentException(
                $"There are {probabilities.Length} probabilities but {errors.Length} answers; there must be one per image.");
        }

        var (images, sums, correct) = (new int[BinCount], new double[BinCount], new int[BinCount]);
        for (var i = 0; i < probabilities.Length; i++)
        {
            if (!(probabilities[i] is >= 0 and <= 1))
            {
                throw new ArgumentException($"A probability is {probabilities[i]}; it must be from 0 to 1.");
            }

            var bin = Math.Clamp((int)Math.Ceiling(BinCount * probabilities[i]) - 1, 0, BinCount - 1);
            images[bin]++;
            sums[bin] += probabilities[i];
            correct[bin] += errors[i] ? 0 : 1;
        }

        // (n_b / n) |sum / n_b - correct / n_b| without the division by n_b, which is 0 in an empty bin.
        var gaps = sums.Zip(correct, (sum, right) => Math.Abs(sum - right)).Sum();
        return new(
            probabilities.Length == 0 ? double.NaN : gaps / probabilities.Length,
            images,
            [.. sums.Zip(images, (sum, count) => sum / count)],
            [.. correct.Zip(images, (right, count) => right / (double)count)]);
    }
}

/// <summary>Calibration of the class probabilities on all test images, and on those of the classes of each shot group.</summary>
/// <param name="Overall">All test images.</param>
/// <param name="Many">Test images of the many-shot classes, pooled.</param>
/// <param name="Medium">Test images of the medium-shot classes, pooled.</param>
/// <param name="Few">Test images of the few-shot classes, pooled.</param>
public sealed record CalibrationByGroup(Calibration Overall, Calibration Many, Calibration Medium, Calibration Few);

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
