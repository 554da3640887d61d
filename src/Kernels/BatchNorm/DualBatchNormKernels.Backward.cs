using ILGPU;
using Pascl.Kernels.Device;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <content>Backward: the parameters' gradients, then the input's.</content>
internal static partial class DualBatchNormKernels
{
    /// <summary>
    /// weightGradient = sum g (input - mean) / sqrt(variance + epsilon) and biasGradient = sum g over a channel, where g is the gradient of the normalised
    /// value: <c>gradient</c> where the activation let it through, which shows in the output or, without one, is computed again from the input. The last
    /// block of a tile adds up what the others found. <c>masked</c>, where it is wanted, becomes g.
    /// </summary>
    [Kernel(Threads, MinimumBlocks = 2)]
    [KernelVariant(typeof(Packet), typeof(Four), typeof(SinglePacket), HotLoop = 130)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(Float16Packet), HotLoop = 300)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(BFloat16Packet), HotLoop = 300)]
    [KernelVariant(typeof(float), typeof(One), typeof(SingleScalar))]
    [KernelVariant(typeof(Half), typeof(One), typeof(Float16Scalar))]
    [KernelVariant(typeof(BFloat16), typeof(One), typeof(BFloat16Scalar))]
    public static void Reduce<TStored, TLanes, TCodec>(
        ArrayView<TStored> input,
        ArrayView<TStored> gradient,
        ArrayView<TStored> output,
        ArrayView<TStored> masked,
        ArrayView<float> means,
        ArrayView<float> variances,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<LaneSums<One>> partials,
        ArrayView<float> weightGradient,
        ArrayView<float> biasGradient,
        ArrayView<int> tickets,
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
        var (split, splits) = (Grid.IdxY, Grid.DimY);
        var column = (Grid.IdxX * tileColumns) + ThreadPlace.Column(tileColumns);
        var own = default(LaneSums<TLanes>);
        if (column < columns)
        {
            var affine = Affine<TLanes>.Of(means, variances, weight, bias, epsilon, column * channelsPerColumn, channelsPerColumn > 1 ? 1 : 0);
            var stride = ThreadPlace.Rows(tileColumns);
            var item = Shares.Start(items, split, splits) + ThreadPlace.Row(tileColumns);
            var end = Shares.Start(items, split + 1, splits);
            var walk = Walk.Backward(column, columns, pixels, items, item, stride);
            for (; item + stride < end; item += 2 * stride)
            {
                var (a, next) = (walk.Place, walk.Next());
                var b = next.Place;
                walk = next.Next();
                var (storedA, storedB, slopeA, slopeB) = (input[a], input[b], gradient[a], gradient[b]);
                var (valueA, valueB, gradientA, gradientB) = (TCodec.Read(storedA), TCodec.Read(storedB), TCodec.Read(slopeA), TCodec.Read(slopeB));
                if (output.Length > 0)
                {
                    var (outputA, outputB) = (output[a], output[b]);
                    gradientA = TLanes.Pass(gradientA, TCodec.Read(outputA));
                    gradientB = TLanes.Pass(gradientB, TCodec.Read(outputB));
                    masked[a] = TCodec.Write(gradientA);
                    masked[b] = TCodec.Write(gradientB);
                }
                else if (rectifies != 0)
                {
                    gradientA = TLanes.Pass(gradientA, affine.Apply(valueA));
                    gradientB = TLanes.Pass(gradientB, affine.Apply(valueB));
                }

                own = new(own.Gradient + (gradientA + gradientB), own.Product + (gradientA * (valueA - affine.Mean)) + (gradientB * (valueB - affine.Mean)));
            }

            if (item < end)
            {
                var a = walk.Place;
                var (value, slope) = (TCodec.Read(input[a]), TCodec.Read(gradient[a]));
                if (output.Length > 0)
                {
                    slope = TLanes.Pass(slope, TCodec.Read(output[a]));
                    masked[a] = TCodec.Write(slope);
                }
                else if (rectifies != 0)
                {
                    slope = TLanes.Pass(slope, affine.Apply(value));
                }

                own = new(own.Gradient + slope, own.Product + (slope * (value - affine.Mean)));
            }
        }

        var isWriter = Group.IdxX < tileColumns && column < columns;
        if (channelsPerColumn > 1)
        {
            var merged = ColumnReduction.Merge<LaneSums<TLanes>, AddLaneSums<TLanes>>(own, tileColumns);
            for (var lane = 0; isWriter && lane < TLanes.Width; lane++)
            {
                partials[((((long)column * TLanes.Width) + lane) * splits) + split] = merged.Lane(lane);
            }
        }
        else
        {
            var merged = ColumnReduction.Merge<LaneSums<One>, AddLaneSums<One>>(own.All(), tileColumns);
            if (isWriter)
            {
                partials[((long)column * splits) + split] = merged;
            }
        }

        if (LastBlock.Arrives(tickets, Grid.IdxX, splits))
        {
            FinishReduction(partials, variances, weightGradient, biasGradient, columns * channelsPerColumn, tileColumns * channelsPerColumn, epsilon);
        }
    }

    /// <summary>
    /// inputGradient = weight / d (g - biasGradient / n - (input - mean) / d weightGradient / n) with d = sqrt(variance + epsilon), n values in a channel and
    /// g as in <see cref="Reduce"/>. Where the statistics are constants, 1/n is 0.
    /// </summary>
    [Kernel(Threads, MinimumBlocks = 2)]
    [KernelVariant(typeof(Packet), typeof(Four), typeof(SinglePacket), HotLoop = 110)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(Float16Packet), HotLoop = 260)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(BFloat16Packet), HotLoop = 260)]
    [KernelVariant(typeof(float), typeof(One), typeof(SingleScalar))]
    [KernelVariant(typeof(Half), typeof(One), typeof(Float16Scalar))]
    [KernelVariant(typeof(BFloat16), typeof(One), typeof(BFloat16Scalar))]
    public static void InputGradient<TStored, TLanes, TCodec>(
        ArrayView<TStored> input,
        ArrayView<TStored> gradient,
        ArrayView<TStored> inputGradient,
        ArrayView<float> means,
        ArrayView<float> variances,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> weightGradient,
        ArrayView<float> biasGradient,
        int columns,
        int tileColumns,
        int pixels,
        int channelsPerColumn,
        int items,
        float epsilon,
        int rectifies,
        float inverseCount)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes>
    {
        var column = (Grid.IdxX * tileColumns) + ThreadPlace.Column(tileColumns);
        if (column >= columns)
        {
            return;
        }

        var (channel, step) = (column * channelsPerColumn, channelsPerColumn > 1 ? 1 : 0);
        var affine = Affine<TLanes>.Of(means, variances, weight, bias, epsilon, channel, step);
        var share = affine.Factor * -inverseCount;
        var offset = share * TLanes.Gather(biasGradient, channel, step);
        var slope = share * affine.InverseDeviation * TLanes.Gather(weightGradient, channel, step);
        var stride = ThreadPlace.Rows(tileColumns);
        var item = Shares.Start(items, Grid.IdxY, Grid.DimY) + ThreadPlace.Row(tileColumns);
        var end = Shares.Start(items, Grid.IdxY + 1, Grid.DimY);
        var walk = Walk.Forward(column, columns, pixels, item, stride);
        for (; item + stride < end; item += 2 * stride)
        {
            var (a, next) = (walk.Place, walk.Next());
            var b = next.Place;
            walk = next.Next();
            var (storedA, storedB, slopeA, slopeB) = (input[a], input[b], gradient[a], gradient[b]);
            inputGradient[a] = TCodec.Write(GradientOf(affine, slope, offset, TCodec.Read(storedA), TCodec.Read(slopeA), rectifies));
            inputGradient[b] = TCodec.Write(GradientOf(affine, slope, offset, TCodec.Read(storedB), TCodec.Read(slopeB), rectifies));
        }

        if (item < end)
        {
            var a = walk.Place;
            inputGradient[a] = TCodec.Write(GradientOf(affine, slope, offset, TCodec.Read(input[a]), TCodec.Read(gradient[a]), rectifies));
        }
    }

    private static TLanes GradientOf<TLanes>(Affine<TLanes> affine, TLanes slope, TLanes offset, TLanes value, TLanes gradient, int rectifies)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        var difference = value - affine.Mean;
        var passed = rectifies != 0 ? TLanes.Pass(gradient, (difference * affine.Factor) + affine.Bias) : gradient;
        return (passed * affine.Factor) + (difference * slope) + offset;
    }

    private static void FinishReduction(
        ArrayView<LaneSums<One>> partials,
        ArrayView<float> variances,
        ArrayView<float> weightGradient,
        ArrayView<float> biasGradient,
        int channels,
        int tileChannels,
        float epsilon)
    {
        var atOnce = Math.Min(tileChannels, ThreadPlace.WarpSize);
        for (var first = 0; first < tileChannels; first += atOnce)
        {
            var channel = (Grid.IdxX * tileChannels) + first + ThreadPlace.Column(atOnce);
            var sums = default(LaneSums<One>);
            if (channel < channels)
            {
                var begin = (long)channel * Grid.DimY;
                sums = Added(partials, begin + ThreadPlace.Row(atOnce), begin + Grid.DimY, ThreadPlace.Rows(atOnce));
            }

            sums = ColumnReduction.Merge<LaneSums<One>, AddLaneSums<One>>(sums, atOnce);
            if (Group.IdxX < atOnce && channel < channels)
            {
                weightGradient[channel] = sums.Product.X * One.InverseSquareRoot(variances[channel] + epsilon);
                biasGradient[channel] = sums.Gradient.X;
            }

            // What the threads have shown one another is read.
            Group.Barrier();
        }
    }

    private static LaneSums<One> Added(ArrayView<LaneSums<One>> partials, long index, long end, int stride)
    {
        var sums = default(LaneSums<One>);
        for (; index < end; index += 4 * stride)
        {
            var a = partials[index];
            var b = index + stride < end ? partials[index + stride] : default;
            var c = index + (2 * stride) < end ? partials[index + (2 * stride)] : default;
            var d = index + (3 * stride) < end ? partials[index + (3 * stride)] : default;
            sums = new(sums.Gradient + ((a.Gradient + b.Gradient) + (c.Gradient + d.Gradient)),
                sums.Product + ((a.Product + b.Product) + (c.Product + d.Product)));
        }

        return sums;
    }
}
