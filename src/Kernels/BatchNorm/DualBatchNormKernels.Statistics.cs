using ILGPU;
using Pascl.Kernels.Device;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <content>Forward: the moments.</content>
internal static partial class DualBatchNormKernels
{
    /// <summary>
    /// Moments of the first and of the other items of every channel in one read, each block those of its share; the last block of a tile merges them, and
    /// writes what normalising needs and the running statistics.
    /// </summary>
    [Kernel(Threads, MinimumBlocks = 3)]
    [KernelVariant(typeof(Packet), typeof(Four), typeof(SinglePacket))]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(Float16Packet), HotLoop = 200)]
    [KernelVariant(typeof(Packet), typeof(Eight), typeof(BFloat16Packet), HotLoop = 200)]
    [KernelVariant(typeof(float), typeof(One), typeof(SingleScalar))]
    [KernelVariant(typeof(Half), typeof(One), typeof(Float16Scalar))]
    [KernelVariant(typeof(BFloat16), typeof(One), typeof(BFloat16Scalar))]
    public static void Statistics<TStored, TLanes, TCodec>(
        ArrayView<TStored> input,
        ArrayView<BatchMoments> partials,
        ArrayView<BatchMoments> moments,
        ArrayView<float> state,
        ArrayView<float> mainMean,
        ArrayView<float> mainVariance,
        ArrayView<float> auxiliaryMean,
        ArrayView<float> auxiliaryVariance,
        ArrayView<int> tickets,
        int columns,
        int tileColumns,
        int pixels,
        int channelsPerColumn,
        int firstItems,
        int items,
        int firstSplits,
        float momentum)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes>
    {
        var (split, splits) = (Grid.IdxY, Grid.DimY);
        var column = (Grid.IdxX * tileColumns) + ThreadPlace.Column(tileColumns);
        var isFirst = split < firstSplits;
        var start = isFirst ? Shares.Start(firstItems, split, firstSplits) : firstItems + Shares.Start(items - firstItems, split - firstSplits, splits - firstSplits);
        var end = isFirst ? Shares.Start(firstItems, split + 1, firstSplits) : firstItems + Shares.Start(items - firstItems, split - firstSplits + 1, splits - firstSplits);
        var own = column < columns
            ? MomentsOf<TStored, TLanes, TCodec>(
                input, column, columns, pixels, start + ThreadPlace.Row(tileColumns), end, ThreadPlace.Rows(tileColumns))
            : default;
        var isWriter = Group.IdxX < tileColumns && column < columns;
        if (channelsPerColumn > 1)
        {
            var merged = ColumnReduction.Merge<LaneMoments<TLanes>, MergeLaneMoments<TLanes>>(own, tileColumns);
            for (var lane = 0; isWriter && lane < TLanes.Width; lane++)
            {
                partials[((((long)column * TLanes.Width) + lane) * splits) + split] = merged.Lane(lane);
            }
        }
        else
        {
            var merged = ColumnReduction.Merge<BatchMoments, MergeMoments>(own.All(), tileColumns);
            if (isWriter)
            {
                partials[((long)column * splits) + split] = merged;
            }
        }

        if (LastBlock.Arrives(tickets, Grid.IdxX, splits))
        {
            FinishStatistics(
                partials, moments, state, mainMean, mainVariance, auxiliaryMean, auxiliaryVariance,
                columns * channelsPerColumn, tileColumns * channelsPerColumn, firstSplits, momentum);
        }
    }

    private static LaneMoments<TLanes> MomentsOf<TStored, TLanes, TCodec>(
        ArrayView<TStored> input, int column, int columns, int pixels, int item, int end, int stride)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes>
    {
        if (item >= end)
        {
            return default;
        }

        var walk = Walk.Forward(column, columns, pixels, item, stride);
        var moments = LaneMoments<TLanes>.StartingAt(TCodec.Read(input[walk.Place]));
        for (; end - item > 3 * stride; item += 4 * stride)
        {
            var second = walk.Next();
            var third = second.Next();
            var fourth = third.Next();
            var (a, b, c, d) = (input[walk.Place], input[second.Place], input[third.Place], input[fourth.Place]);
            moments = moments.With(TCodec.Read(a), TCodec.Read(b), TCodec.Read(c), TCodec.Read(d));
            walk = fourth.Next();
        }

        for (; item < end; item += stride)
        {
            moments = moments.With(TCodec.Read(input[walk.Place]));
            walk = walk.Next();
        }

        return moments;
    }

    private static void FinishStatistics(
        ArrayView<BatchMoments> partials,
        ArrayView<BatchMoments> moments,
        ArrayView<float> state,
        ArrayView<float> mainMean,
        ArrayView<float> mainVariance,
        ArrayView<float> auxiliaryMean,
        ArrayView<float> auxiliaryVariance,
        int channels,
        int tileChannels,
        int firstSplits,
        float momentum)
    {
        var splits = Grid.DimY;
        var atOnce = Math.Min(tileChannels, ThreadPlace.WarpSize);
        var (row, rows) = (ThreadPlace.Row(atOnce), ThreadPlace.Rows(atOnce));
        for (var first = 0; first < tileChannels; first += atOnce)
        {
            var channel = (Grid.IdxX * tileChannels) + first + ThreadPlace.Column(atOnce);
            var sets = default(MomentsOfSets);
            if (channel < channels)
            {
                var begin = (long)channel * splits;
                sets = new(
                    Merged(partials, begin + row, begin + firstSplits, rows), Merged(partials, begin + firstSplits + row, begin + splits, rows));
            }

            sets = ColumnReduction.Merge<MomentsOfSets, MergeSets>(sets, atOnce);
            if (Group.IdxX < atOnce && channel < channels)
            {
                var all = BatchMoments.Merge(sets.First, sets.Others);
                moments[channel] = sets.First;
                moments[channels + channel] = sets.Others;
                state[channel] = all.Mean;
                state[channels + channel] = all.Variance;
                state[(2 * channels) + channel] = sets.First.Mean;
                state[(3 * channels) + channel] = sets.First.Variance;
                Track(mainMean, mainVariance, channel, all, momentum);
                Track(auxiliaryMean, auxiliaryVariance, channel, sets.First, momentum);
            }

            // What the threads have shown one another is read.
            Group.Barrier();
        }
    }

    // Four loads at a time, because each takes as long as many merges.
    private static BatchMoments Merged(ArrayView<BatchMoments> partials, long index, long end, int stride)
    {
        var merged = default(BatchMoments);
        for (; index < end; index += 4 * stride)
        {
            var a = partials[index];
            var b = index + stride < end ? partials[index + stride] : default;
            var c = index + (2 * stride) < end ? partials[index + (2 * stride)] : default;
            var d = index + (3 * stride) < end ? partials[index + (3 * stride)] : default;
            merged = BatchMoments.Merge(merged, BatchMoments.Merge(BatchMoments.Merge(a, b), BatchMoments.Merge(c, d)));
        }

        return merged;
    }

    private static void Track(ArrayView<float> means, ArrayView<float> variances, int channel, BatchMoments moments, float momentum)
    {
        if (means.Length > 0 && moments.Count > 1)
        {
            means[channel] = ((1 - momentum) * means[channel]) + (momentum * moments.Mean);
            variances[channel] = ((1 - momentum) * variances[channel]) + (momentum * moments.UnbiasedVariance);
        }
    }

    private readonly struct MomentsOfSets(BatchMoments first, BatchMoments others)
    {
        public readonly BatchMoments First = first;
        public readonly BatchMoments Others = others;
    }

    private readonly struct MergeMoments : IMerge<BatchMoments>
    {
        public BatchMoments Merge(BatchMoments left, BatchMoments right) => BatchMoments.Merge(left, right);
    }

    private readonly struct MergeSets : IMerge<MomentsOfSets>
    {
        public MomentsOfSets Merge(MomentsOfSets left, MomentsOfSets right) =>
            new(BatchMoments.Merge(left.First, right.First), BatchMoments.Merge(left.Others, right.Others));
    }
}
