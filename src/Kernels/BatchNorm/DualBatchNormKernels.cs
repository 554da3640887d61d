using ILGPU;
using Pascl.Kernels.Device;
using Pascl.Kernels.Vectors;
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
    [KernelVariant(typeof(Packet), typeof(Four), typeof(SinglePacket))]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(Float16Packet))]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(BFloat16Packet))]
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
        var column = (Grid.IdxX * tileColumns) + (Group.IdxX % tileColumns);
        if (column >= columns)
        {
            return;
        }

        var affine = Affine<TLanes>.Of(means, variances, weight, bias, epsilon, column * channelsPerColumn, channelsPerColumn > 1 ? 1 : 0);
        var last = LastItem(column, columns, pixels, items);
        var stride = Group.DimX / tileColumns;
        var item = Share(items, Grid.IdxY, Grid.DimY) + (Group.IdxX / tileColumns);
        var end = Share(items, Grid.IdxY + 1, Grid.DimY);
        var walk = new Walk(columns, pixels, item, stride);
        for (; item + stride < end; item += 2 * stride)
        {
            var (a, next) = (last - walk.Offset, walk.Next());
            var b = last - next.Offset;
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
            var a = last - walk.Offset;
            var sum = affine.Apply(TCodec.Read(input[a]));
            sum = residual.Length > 0 ? sum + TCodec.Read(residual[a]) : sum;
            output[a] = TCodec.Write(rectifies != 0 ? TLanes.Pass(sum, sum) : sum);
        }
    }

    // The share'th of so many nearly equal shares begins here.
    private static int Share(int items, int share, int shares) => (int)((long)items * share / shares);

    private static long LastItem(int column, int columns, int pixels, int items) =>
        ((long)column * pixels) + ((((long)items / pixels) - 1) * columns * pixels) + (pixels - 1);
}
