using System.Runtime.InteropServices;
using ILGPU;
using Pascl.Kernels.Device;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <summary>
/// BatchNorm's kernels see the batch as (images, columns, pixels) of one element or 16 bytes each. Channels first, a column is a channel; channels last, it
/// is a channel or the 4 or 8 channels of 16 bytes, an "image" is a pixel, and there is one pixel in it. A block has a tile of neighbouring columns (channels
/// last; otherwise one) and a share of the items, which are the pixels of all images.
/// </summary>
/// <remarks>
/// Every thread keeps to one column, so parameters are read once. Elementwise kernels walk from the last item to the first: the last ones that the kernel
/// before has read are still in the cache.
/// </remarks>
internal static partial class DualBatchNormKernels
{
    /// <summary>The most threads of a block.</summary>
    public const int Threads = 256;

    /// <summary>output = activation((input - mean) / sqrt(variance + epsilon) * weight + bias + residual), the last summand where there is one.</summary>
    [Kernel(Threads, MinimumBlocks = 3)]
    [KernelVariant(typeof(Packet), typeof(Four), typeof(SinglePacket), HotLoop = 110)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(Float16Packet), HotLoop = 300)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(BFloat16Packet), HotLoop = 300)]
    [KernelVariant(typeof(float), typeof(One), typeof(SingleScalar))]
    [KernelVariant(typeof(Half), typeof(One), typeof(Float16Scalar))]
    [KernelVariant(typeof(BFloat16), typeof(One), typeof(BFloat16Scalar))]
    public static void Normalize<TStored, TLanes, TCodec>(
        ArrayView<TStored> input,
        ArrayView<TStored> residual,
        ArrayView<TStored> output,
        ArrayView<float> means,
        ArrayView<float> variances,
        ArrayView<float> weight,
        ArrayView<float> bias,
        int columns,
        int tileColumns,
        int pixels,
        int channelsPerColumn,
        int items,
        float epsilon,
        int rectifies)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes>
    {
        var column = (Grid.IdxX * tileColumns) + ThreadPlace.Column(tileColumns);
        if (column >= columns)
        {
            return;
        }

        var affine = Affine<TLanes>.Of(means, variances, weight, bias, epsilon, column * channelsPerColumn, channelsPerColumn > 1 ? 1 : 0);
        var stride = ThreadPlace.Rows(tileColumns);
        var item = Shares.Start(items, Grid.IdxY, Grid.DimY) + ThreadPlace.Row(tileColumns);
        var end = Shares.Start(items, Grid.IdxY + 1, Grid.DimY);
        var walk = Walk.Backward(column, columns, pixels, items, item, stride);
        for (; item + stride < end; item += 2 * stride)
        {
            var (a, next) = (walk.Place, walk.Next());
            var b = next.Place;
            walk = next.Next();
            var (inputA, inputB) = (input[a], input[b]);
            var (sumA, sumB) = (affine.Apply(TCodec.Read(inputA)), affine.Apply(TCodec.Read(inputB)));
            if (residual.Length > 0)
            {
                var (residualA, residualB) = (residual[a], residual[b]);
                (sumA, sumB) = (sumA + TCodec.Read(residualA), sumB + TCodec.Read(residualB));
            }

            output[a] = TCodec.Write(rectifies != 0 ? TLanes.Pass(sumA, sumA) : sumA);
            output[b] = TCodec.Write(rectifies != 0 ? TLanes.Pass(sumB, sumB) : sumB);
        }

        if (item < end)
        {
            var a = walk.Place;
            var sum = affine.Apply(TCodec.Read(input[a]));
            sum = residual.Length > 0 ? sum + TCodec.Read(residual[a]) : sum;
            output[a] = TCodec.Write(rectifies != 0 ? TLanes.Pass(sum, sum) : sum);
        }
    }
}

/// <summary>BatchNorm's kernels for one type of elements, taken one by one or 16 bytes at once.</summary>
internal sealed record DualBatchNormDeviceCode(int Width, Kernel Statistics, Kernel Normalize, Kernel Reduce, Kernel InputGradient)
{
    /// <summary>Both ways for elements of a type.</summary>
    public static (DualBatchNormDeviceCode Packets, DualBatchNormDeviceCode Scalars) Load<T>(KernelDevice device)
        where T : unmanaged => typeof(T) switch
        {
            var type when type == typeof(float) => (Load<Packet, Four, SinglePacket>(device), Load<float, One, SingleScalar>(device)),
            var type when type == typeof(Half) => (Load<Packet, Eight, Float16Packet>(device), Load<Half, One, Float16Scalar>(device)),
            var type when type == typeof(BFloat16) => (Load<Packet, Eight, BFloat16Packet>(device), Load<BFloat16, One, BFloat16Scalar>(device)),
            _ => throw new NotSupportedException($"BatchNorm takes elements of type float, Half and BFloat16, not {typeof(T).Name}."),
        };

    /// <summary>Elements as these kernels take them.</summary>
    public KernelArgument View<T>(DeviceVector<T> vector)
        where T : unmanaged => Width == 1 ? vector : KernelArgument.View<Packet>(vector.Address, vector.Length / Width);

    private static DualBatchNormDeviceCode Load<TStored, TLanes, TCodec>(KernelDevice device)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes> => new(
            TLanes.Width,
            device.Load(DualBatchNormKernels.Statistics<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.Normalize<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.Reduce<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.InputGradient<TStored, TLanes, TCodec>));
}

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
        var share = count > 0 ? right.Count * SpecialFunctions.Reciprocal(count) : 0;
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
