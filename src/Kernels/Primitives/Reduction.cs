using ILGPU;
using ILGPU.Algorithms;

namespace Pascl.Kernels;

/// <summary>Sums and maxima over the threads of a warp or a block, inside a kernel. Every thread of it must call, and every thread gets the same bits.</summary>
/// <remarks>
/// Five shuffles for a warp; for a block of several warps one barrier more. The order is fixed by the number of threads alone. The shared memory of a block's
/// reduction belongs to the place of the call: where a loop comes by again, there must be a barrier in between.
/// </remarks>
internal static class Reduction
{
    private const int MaximumWarps = 32;

    /// <summary>Sum of a value of each thread of the warp.</summary>
    public static float WarpSum(float value) => Warp<float, Addition>(value);

    /// <summary>Largest of a value of each thread of the warp.</summary>
    public static float WarpMaximum(float value) => Warp<float, Maximum>(value);

    /// <summary>Sum of a value of each thread of the block.</summary>
    public static float BlockSum(float value) => Block<float, Addition>(value);

    /// <summary>Largest of a value of each thread of the block.</summary>
    public static float BlockMaximum(float value) => Block<float, Maximum>(value);

    /// <summary>Merges a value of each thread of the warp. A struct of several numbers costs the simulator no more than one number.</summary>
    public static T Warp<T, TMerge>(T value)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        // By hand, because ILGPU does not unroll loops.
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 16));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 8));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 4));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 2));
        return default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 1));
    }

    /// <summary>Merges a value of each thread of the block, whose number of threads is a multiple of 32.</summary>
    public static T Block<T, TMerge>(T value)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        var ofWarps = SharedMemory.Allocate<T>(MaximumWarps);
        value = Warp<T, TMerge>(value);
        if (Group.DimX == ThreadPlace.WarpSize)
        {
            return value;
        }

        if (ThreadPlace.Lane == 0)
        {
            ofWarps[ThreadPlace.Warp] = value;
        }

        Group.Barrier();

        // Each thread merges all: no second barrier, and no thread waits for a broadcast.
        value = ofWarps[0];
        for (var warp = 1; warp < ThreadPlace.Warps; warp++)
        {
            value = default(TMerge).Merge(value, ofWarps[warp]);
        }

        return value;
    }
}

/// <summary>How two partial results become one, inside a kernel. The order of the two must not change a bit.</summary>
internal interface IMerge<T>
    where T : unmanaged
{
    /// <summary>The result of both parts.</summary>
    T Merge(T left, T right);
}

/// <summary>left + right.</summary>
internal readonly struct Addition : IMerge<float>, IMerge<int>, IMerge<Pair>
{
    public float Merge(float left, float right) => left + right;

    public int Merge(int left, int right) => left + right;

    public Pair Merge(Pair left, Pair right) => new(left.First + right.First, left.Second + right.Second);
}

/// <summary>The larger one.</summary>
internal readonly struct Maximum : IMerge<float>
{
    public float Merge(float left, float right) => left > right ? left : right;
}

/// <summary>Two numbers that are reduced together.</summary>
internal readonly struct Pair(float first, float second)
{
    public readonly float First = first;
    public readonly float Second = second;
}

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
