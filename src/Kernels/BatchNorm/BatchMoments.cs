using System.Runtime.InteropServices;

namespace Pascl.Kernels;

/// <summary>
/// Number, mean and sum of squared deviations of some values: enough to merge with those of other values, of another block or another process.
/// </summary>
/// <param name="count">Number of values.</param>
/// <param name="mean">Their mean; 0 where there is none.</param>
/// <param name="squaredDeviations">Sum of (value - mean)^2.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly struct BatchMoments(int count, float mean, float squaredDeviations) : IEquatable<BatchMoments>
{
    /// <summary>Number of values.</summary>
    public int Count { get; } = count;

    /// <summary>Mean of the values; 0 where there is none.</summary>
    public float Mean { get; } = mean;

    /// <summary>Sum of (value - mean)^2.</summary>
    public float SquaredDeviations { get; } = squaredDeviations;

    /// <summary>Squared deviations over the number of values, 0 where there is none: what a batch is normalised with.</summary>
    public float Variance => Count > 0 ? SquaredDeviations / Count : 0;

    /// <summary>Squared deviations over the number of values less one: the estimate of the population's variance. There must be two values.</summary>
    public float UnbiasedVariance => SquaredDeviations / (Count - 1);

    /// <summary>
    /// The moments of both sets of values. With d = mean_b - mean_a and n = n_a + n_b:
    /// <code>
    /// mean = mean_a + d n_b / n
    /// M2   = M2_a + M2_b + d^2 n_a n_b / n
    /// </code>
    /// No difference of large numbers occurs, so a mean far from 0 costs the variance nothing.
    /// Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    /// </summary>
    public static BatchMoments Merge(BatchMoments left, BatchMoments right)
    {
        var count = left.Count + right.Count;
        var share = count > 0 ? right.Count / (float)count : 0;
        var difference = right.Mean - left.Mean;
        return new BatchMoments(
            count,
            left.Mean + (difference * share),
            left.SquaredDeviations + right.SquaredDeviations + (difference * difference * (left.Count * share)));
    }

    /// <summary>Whether all three numbers are equal.</summary>
    public static bool operator ==(BatchMoments left, BatchMoments right) => left.Equals(right);

    /// <summary>Whether a number differs.</summary>
    public static bool operator !=(BatchMoments left, BatchMoments right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(BatchMoments other) => Count == other.Count && Mean.Equals(other.Mean) && SquaredDeviations.Equals(other.SquaredDeviations);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BatchMoments other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Count, Mean, SquaredDeviations);

    /// <inheritdoc/>
    public override string ToString() => $"{Count} values, mean {Mean}, squared deviations {SquaredDeviations}";
}
