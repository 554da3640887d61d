using ILGPU.Algorithms;

namespace Pascl.Kernels;

/// <summary>
/// What the loss of a row of logits needs, gathered in one pass inside a kernel: log sum_j exp(s_j), and the mean of s over the row's targets.
/// The loss is the first minus the second.
/// </summary>
/// <remarks>The sum is kept relative to the largest logit so far, and scaled anew when a larger one comes, so that no exponential overflows.</remarks>
internal readonly struct RowStatistics(float largest, float sum, float targetSum, int targets)
{
    /// <summary>The largest s_j; of no logit, a number below all others that, unlike minus infinity, can be subtracted from itself.</summary>
    public readonly float Largest = largest;

    /// <summary>sum_j exp(s_j - Largest).</summary>
    public readonly float Sum = sum;

    /// <summary>Sum of s over the targets.</summary>
    public readonly float TargetSum = targetSum;

    /// <summary>Number of targets.</summary>
    public readonly int Targets = targets;

    /// <summary>Of no logit.</summary>
    public static RowStatistics Empty => new(float.MinValue, 0, 0, 0);

    /// <summary>log sum_j exp(s_j).</summary>
    public float LogSum => Largest + XMath.Log(Sum);

    /// <summary>The statistics with one more logit.</summary>
    public RowStatistics With(float logit, bool isTarget)
    {
        var difference = logit - Largest;
        var smaller = XMath.Exp(-XMath.Abs(difference));
        return new(
            difference > 0 ? logit : Largest,
            difference > 0 ? (Sum * smaller) + 1 : Sum + smaller,
            isTarget ? TargetSum + logit : TargetSum,
            isTarget ? Targets + 1 : Targets);
    }
}

/// <summary>Statistics of all logits of both parts.</summary>
internal readonly struct MergeRowStatistics : IMerge<RowStatistics>
{
    public RowStatistics Merge(RowStatistics left, RowStatistics right)
    {
        // Only the smaller side is scaled; the order of the sides changes no bit.
        var difference = left.Largest - right.Largest;
        var smaller = XMath.Exp(-XMath.Abs(difference));
        return new(
            difference > 0 ? left.Largest : right.Largest,
            difference > 0 ? left.Sum + (right.Sum * smaller) : right.Sum + (left.Sum * smaller),
            left.TargetSum + right.TargetSum,
            left.Targets + right.Targets);
    }
}
