using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

internal static partial class FusedContrastiveLossKernels
{
    private const float NaturalOfBinary = 0.6931472f; // ln 2

    /// <summary>The loss, and what the backward pass needs. The blocks share the pairs as <see cref="ContrastivePlan"/> says; the last sums up.</summary>
    /// <param name="features">(2N + K, width).</param>
    /// <param name="stride">Elements from a row of the features to the next.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="isAligned">1 where rows begin at multiples of 16 bytes, else 0.</param>
    /// <param name="labels">(N): the images' classes.</param>
    /// <param name="isTailClass">(C): 1 for classes of the tail.</param>
    /// <param name="classWeights">(C).</param>
    /// <param name="outliers">K.</param>
    /// <param name="share">Number of the share of the anchors whose losses are summed, from 0.</param>
    /// <param name="shares">How many shares there are.</param>
    /// <param name="scale">log2(e) / temperature.</param>
    /// <param name="blocks">How many blocks the pairs are cut up for.</param>
    /// <param name="loss">One element, receives the loss.</param>
    /// <param name="tailImages">One element, receives the number of images of tail classes.</param>
    /// <param name="orders">(blocks, N), receives in each block's row the images of tail classes, then the others.</param>
    /// <param name="rows">(2N), receives what the backward pass needs of each anchor.</param>
    /// <param name="parts">32 sums for each item.</param>
    /// <param name="tickets">One element that is 0, before and after.</param>
    [Kernel(Threads, MinimumBlocks = 3, WritesIndices = true, SavesRegisters = true)]
    [KernelVariant(typeof(FixedShift))]
    [KernelVariant(typeof(RowMaximum))]
    public static void Forward<TShift>(
        ArrayView<float> features,
        int stride,
        int width,
        int isAligned,
        ArrayView<long> labels,
        ArrayView<byte> isTailClass,
        ArrayView<float> classWeights,
        int outliers,
        int share,
        int shares,
        float scale,
        int blocks,
        ArrayView<float> loss,
        ArrayView<int> tailImages,
        ArrayView<int> orders,
        ArrayView<ContrastiveRow> rows,
        ArrayView<ContrastiveSums> parts,
        ArrayView<int> tickets)
        where TShift : unmanaged, IExponentShift
    {
        // Each block finds the order for itself: cheaper than a second launch that could rely on the first.
        var order = orders.SubView((long)Grid.IdxX * labels.Length, labels.Length);
        var tails = Sort(labels, isTailClass, order);
        var plan = ContrastivePlan.Forward(tails, outliers, new AnchorShare(share, shares), blocks);
        var busy = Math.Max(1, Math.Min(plan.Items, Grid.DimX));
        if (Grid.IdxX >= busy)
        {
            return;
        }

        var batch = new ContrastiveBatchRows(features, stride, width, isAligned != 0, order, tails, plan.FirstAnchor);
        var anchors = SharedMemory.Allocate<Float4>(TileLength);
        var contrasts = SharedMemory.Allocate<Float4>(TileLength);
        var sums = SharedMemory.Allocate<ContrastiveSums>(Tile * ColumnThreads);
        for (var item = Grid.IdxX; item < plan.Items; item += Grid.DimX)
        {
            SumItem<TShift>(item, plan, batch, width, labels, scale, anchors, contrasts, sums, parts);
        }

        if (LastBlock.Arrives(tickets, 0, busy))
        {
            Finish<TShift>(plan, batch, labels, classWeights, scale, rows, parts, loss);
            if (Group.IdxX == 0)
            {
                tailImages[0] = tails;
            }
        }
    }

    // order = images of tail classes, ascending, then the others; returns how many are of a tail class. Each thread takes a run of images.
    private static int Sort(ArrayView<long> labels, ArrayView<byte> isTailClass, ArrayView<int> order)
    {
        var counts = SharedMemory.Allocate<int>(Threads);
        var images = labels.IntLength;
        var share = (images + Threads - 1) / Threads;
        var first = Math.Min(Group.IdxX * share, images);
        var end = Math.Min(first + share, images);
        var count = 0;
        for (var image = first; image < end; image++)
        {
            count += IsTail(labels[image], isTailClass) ? 1 : 0;
        }

        counts[Group.IdxX] = count;
        Group.Barrier();
        var tail = 0;
        var tails = 0;

        // Eight at a time, so that their reads overlap.
        for (var thread = 0; thread < Threads; thread += 8)
        {
            var count0 = counts[thread];
            var count1 = counts[thread + 1];
            var count2 = counts[thread + 2];
            var count3 = counts[thread + 3];
            var count4 = counts[thread + 4];
            var count5 = counts[thread + 5];
            var count6 = counts[thread + 6];
            var count7 = counts[thread + 7];
            tail += Earlier(count0, thread) + Earlier(count1, thread + 1) + Earlier(count2, thread + 2) + Earlier(count3, thread + 3);
            tail += Earlier(count4, thread + 4) + Earlier(count5, thread + 5) + Earlier(count6, thread + 6) + Earlier(count7, thread + 7);
            tails += count0 + count1 + count2 + count3 + count4 + count5 + count6 + count7;
        }

        var head = tails + first - tail;
        for (var image = first; image < end; image++)
        {
            if (IsTail(labels[image], isTailClass))
            {
                order[tail++] = image;
            }
            else
            {
                order[head++] = image;
            }
        }

        Group.Barrier();
        return tails;
    }

    private static int Earlier(int count, int thread) => thread < Group.IdxX ? count : 0;

    // A label that is no class takes no part, rather than to read where no flag is.
    private static bool IsTail(long label, ArrayView<byte> isTailClass) => label >= 0 && label < isTailClass.Length && isTailClass[label] != 0;

    // The sums of 32 anchors over a run of tiles of contrasts.
    private static void SumItem<TShift>(
        int item,
        ContrastivePlan plan,
        ContrastiveBatchRows batch,
        int width,
        ArrayView<long> labels,
        float scale,
        ArrayView<Float4> anchors,
        ArrayView<Float4> contrasts,
        ArrayView<ContrastiveSums> sums,
        ArrayView<ContrastiveSums> parts)
        where TShift : unmanaged, IExponentShift
    {
        var firstRow = item / plan.AnchorSplits * Tile;
        var firstTile = item % plan.AnchorSplits * plan.TilesPerItem;
        var endTile = Math.Min(firstTile + plan.TilesPerItem, ContrastivePlan.Tiles(plan.Rows));
        var row = firstRow + ThreadRow;
        var label0 = Label(row, plan, batch, labels);
        var label1 = Label(row + 8, plan, batch, labels);
        var label2 = Label(row + 16, plan, batch, labels);
        var label3 = Label(row + 24, plan, batch, labels);
        var sums0 = ContrastiveSums.Empty;
        var sums1 = ContrastiveSums.Empty;
        var sums2 = ContrastiveSums.Empty;
        var sums3 = ContrastiveSums.Empty;
        for (var tile = firstTile; tile < endTile; tile++)
        {
            var near = (tile * Tile) + ThreadColumn;
            var nearLabel = Label(near, plan, batch, labels);
            var farLabel = Label(near + ColumnThreads, plan, batch, labels);
            var products = default(ContrastiveTile);
            for (var column = 0; column < width; column += ContrastivePlan.Chunk)
            {
                // What the tiles held is no longer read.
                Group.Barrier();
                if (tile == firstTile || width > ContrastivePlan.Chunk)
                {
                    batch.Copy(anchors, firstRow, plan.Anchors, column);
                }

                batch.Copy(contrasts, tile * Tile, plan.Rows, column);
                Group.Barrier();
                products = products.Plus(anchors, contrasts, batch.FoursOf(column));
            }

            sums0 = With<TShift>(sums0, products.Near.X, products.Far.X, row, label0, near, nearLabel, farLabel, plan.Rows, scale);
            sums1 = With<TShift>(sums1, products.Near.Y, products.Far.Y, row + 8, label1, near, nearLabel, farLabel, plan.Rows, scale);
            sums2 = With<TShift>(sums2, products.Near.Z, products.Far.Z, row + 16, label2, near, nearLabel, farLabel, plan.Rows, scale);
            sums3 = With<TShift>(sums3, products.Near.W, products.Far.W, row + 24, label3, near, nearLabel, farLabel, plan.Rows, scale);
        }

        var place = (ThreadColumn * Tile) + ThreadRow;
        sums[place] = sums0;
        sums[place + 8] = sums1;
        sums[place + 16] = sums2;
        sums[place + 24] = sums3;
        Group.Barrier();
        if (Group.IdxX < Tile)
        {
            var total = ContrastiveSums.Empty;
            for (var thread = 0; thread < ColumnThreads; thread++)
            {
                total = total.And<TShift>(sums[(thread * Tile) + Group.IdxX]);
            }

            parts[(item * Tile) + Group.IdxX] = total;
        }
    }

    // With the contrasts in the near and the far column. Outliers have the label -1, which no anchor has.
    private static ContrastiveSums With<TShift>(
        ContrastiveSums sums, float nearProduct, float farProduct, int row, int label, int near, int nearLabel, int farLabel, int rows, float scale)
        where TShift : unmanaged, IExponentShift
    {
        var far = near + ColumnThreads;
        var nearIsContrast = near < rows && near != row;
        var farIsContrast = far < rows && far != row;
        return sums
            .With<TShift>(scale * nearProduct, scale, nearIsContrast, nearIsContrast && nearLabel == label)
            .With<TShift>(scale * farProduct, scale, farIsContrast, farIsContrast && farLabel == label);
    }

    private static int Label(int row, ContrastivePlan plan, ContrastiveBatchRows batch, ArrayView<long> labels) =>
        row < plan.AllAnchors ? (int)labels[batch.Image(row)] : -1;

    // Row losses and their mean, by the last block.
    private static void Finish<TShift>(
        ContrastivePlan plan,
        ContrastiveBatchRows batch,
        ArrayView<long> labels,
        ArrayView<float> classWeights,
        float scale,
        ArrayView<ContrastiveRow> rows,
        ArrayView<ContrastiveSums> parts,
        ArrayView<float> loss)
        where TShift : unmanaged, IExponentShift
    {
        var sum = 0f;
        for (var anchor = Group.IdxX; anchor < plan.AllAnchors; anchor += Threads)
        {
            var place = ((anchor & ~(Tile - 1)) * plan.AnchorSplits) + (anchor & (Tile - 1));
            var sums = ContrastiveSums.Empty;

            // The anchors of other shares have no sums here, and so neither weight nor loss.
            var splits = anchor < plan.Anchors ? plan.AnchorSplits : 0;
            for (var split = 0; split < splits; split++)
            {
                sums = sums.And<TShift>(parts[place + (split * Tile)]);
            }

            var label = (int)labels[batch.Image(anchor)];

            // Without positives the loss of the row is 0, and so are its gradients.
            var weight = sums.Count > 0 ? classWeights[label] : 0;
            var share = weight / plan.AllAnchors;
            var logSum = (default(TShift).IsFixed ? scale : sums.Shift) + XMath.Log2(sums.Exponentials);
            var count = Math.Max(1, sums.Count);
            var isFixed = default(TShift).IsFixed;
            rows[anchor] = sums.Count > 0
                ? new ContrastiveRow(isFixed ? share / sums.Exponentials : share, share / count, logSum, label)
                : ContrastiveRow.NoAnchor(label);
            sum += sums.Count > 0 ? weight * NaturalOfBinary * (logSum - (sums.Positives / count)) : 0;
        }

        sum = Reduction.BlockSum(sum);
        if (Group.IdxX == 0)
        {
            loss[0] = sum / Math.Max(1, plan.AllAnchors);
        }
    }
}

/// <summary>Device code of <see cref="FusedContrastiveLoss"/>: one launch forward, one backward.</summary>
internal static partial class FusedContrastiveLossKernels
{
    public const int Threads = 128;

    private const int Tile = ContrastivePlan.Tile;
    private const int TileLength = Tile * ContrastiveBatchRows.Pitch;
    private const int ColumnThreads = 16;

    // Places in a tile of this thread's first row and first column; the others are 8, 16 and 24 rows further and 16 columns.
    private static int ThreadRow => ThreadPlace.Row(ColumnThreads);

    private static int ThreadColumn => ThreadPlace.Column(ColumnThreads);
}
