using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

internal static partial class FusedContrastiveLossKernels
{
    // Fours from a row of H to the next; odd, for the banks.
    private const int SlopePitch = (Tile / 4) + 1;
    private const int ChunkFours = ContrastivePlan.Chunk / 4;

    /// <summary>
    /// The gradient with respect to the features, dX = upstream / temperature H X with the symmetric H_ij = (u_i + u_j) e_ij - [j in P_i] (q_i + q_j), where
    /// u = w / (M Z) and q = w / (M |P|), and both are 0 for outliers and the anchors of other shares; H_ij = 0 where i = j or neither is an anchor of this share. Rows that
    /// take no part receive 0.
    /// </summary>
    /// <param name="features">(2N + K, width), as in the forward pass.</param>
    /// <param name="stride">Elements from a row of the features to the next.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="isAligned">1 where rows of the features begin at multiples of 16 bytes, else 0.</param>
    /// <param name="outliers">K.</param>
    /// <param name="share">As in the forward pass.</param>
    /// <param name="shares">As in the forward pass.</param>
    /// <param name="scale">log2(e) / temperature.</param>
    /// <param name="inverseTemperature">1 / temperature.</param>
    /// <param name="blocks">How many blocks the pairs are cut up for.</param>
    /// <param name="upstream">One element: the gradient with respect to the loss.</param>
    /// <param name="tailImages">From the forward pass.</param>
    /// <param name="order">From the forward pass.</param>
    /// <param name="rows">From the forward pass.</param>
    /// <param name="parts">A tile of 32 rows of a chunk for each part of the plan.</param>
    /// <param name="tickets">Elements that are 0, before and after: one for each tile of rows and chunk that has several parts.</param>
    /// <param name="gradient">(2N + K, width), receives the gradient.</param>
    /// <param name="gradientStride">Elements from a row of the gradient to the next.</param>
    /// <param name="gradientIsAligned">1 where rows of the gradient begin at multiples of 16 bytes, else 0.</param>
    [Kernel(Threads, MinimumBlocks = 3, SavesRegisters = true)]
    [KernelVariant(typeof(FixedShift))]
    [KernelVariant(typeof(RowMaximum))]
    public static void Backward<TShift>(
        ArrayView<float> features,
        int stride,
        int width,
        int isAligned,
        int outliers,
        int share,
        int shares,
        float scale,
        float inverseTemperature,
        int blocks,
        ArrayView<float> upstream,
        ArrayView<int> tailImages,
        ArrayView<int> order,
        ArrayView<ContrastiveRow> rows,
        ArrayView<Float4> parts,
        ArrayView<int> tickets,
        ArrayView<float> gradient,
        int gradientStride,
        int gradientIsAligned)
        where TShift : unmanaged, IExponentShift
    {
        var tails = tailImages[0];
        var factor = upstream[0] * inverseTemperature;
        var plan = ContrastivePlan.Backward(tails, outliers, width, new AnchorShare(share, shares), blocks);
        var batch = new ContrastiveBatchRows(features, stride, width, isAligned != 0, order, tails, plan.FirstAnchor);
        var own = SharedMemory.Allocate<Float4>(TileLength);
        var contrasts = SharedMemory.Allocate<Float4>(TileLength);
        var slopes = SharedMemory.Allocate<Float4>(Tile * SlopePitch);
        for (var item = Grid.IdxX; item < plan.Items; item += Grid.DimX)
        {
            var isOther = item >= plan.AnchorItems;
            var inKind = isOther ? item - plan.AnchorItems : item;
            var splits = isOther ? plan.OtherSplits : plan.AnchorSplits;

            // Splits of the same rows and columns follow one another.
            var split = inKind % splits;
            var unit = inKind / splits;
            var firstColumn = unit % plan.Chunks * ContrastivePlan.Chunk;
            var firstRow = (isOther ? plan.Anchors : 0) + (unit / plan.Chunks * Tile);
            var endRow = isOther ? plan.Rows : plan.Anchors;
            var firstTile = split * plan.TilesPerItem;
            var endContrast = isOther ? plan.Anchors : plan.Rows;
            var endTile = Math.Min(firstTile + plan.TilesPerItem, ContrastivePlan.Tiles(endContrast));
            var sums = Item<TShift>(
                batch, width, rows, firstRow, endRow, firstTile, endTile, endContrast, firstColumn, plan.AllAnchors, scale, own, contrasts, slopes);
            if (splits > 1)
            {
                // Tickets and parts are numbered through: first those of the anchors, where they have any.
                var ticket = unit + (isOther && plan.AnchorParts > 0 ? plan.AnchorItems / plan.AnchorSplits : 0);
                var part = (isOther ? plan.AnchorParts : 0) + (unit * splits);
                sums.Write(parts, (part + split) * Tile * ChunkFours);
                if (!LastBlock.Arrives(tickets, ticket, splits))
                {
                    continue;
                }

                sums = default;
                for (split = 0; split < splits; split++)
                {
                    sums = sums.And(parts, (part + split) * Tile * ChunkFours);
                }
            }

            sums.Write(gradient, gradientStride, width, gradientIsAligned != 0, batch, firstRow, endRow, firstColumn, factor);
        }

        WriteZeros(tails, width, order, gradient, gradientStride);
    }

    // 32 rows of H X over a run of tiles of contrasts, in a chunk of columns.
    private static ContrastiveGradient Item<TShift>(
        ContrastiveBatchRows batch,
        int width,
        ArrayView<ContrastiveRow> rows,
        int firstRow,
        int endRow,
        int firstTile,
        int endTile,
        int endContrast,
        int firstColumn,
        int allAnchors,
        float scale,
        ArrayView<Float4> own,
        ArrayView<Float4> contrasts,
        ArrayView<Float4> slopes)
        where TShift : unmanaged, IExponentShift
    {
        var slope = slopes.Cast<float>();
        var row = firstRow + ThreadRow;
        var anchor0 = Row(row, rows, allAnchors);
        var anchor1 = Row(row + 8, rows, allAnchors);
        var anchor2 = Row(row + 16, rows, allAnchors);
        var anchor3 = Row(row + 24, rows, allAnchors);
        var sums = default(ContrastiveGradient);
        for (var tile = firstTile; tile < endTile; tile++)
        {
            var near = (tile * Tile) + ThreadColumn;
            var far = near + ColumnThreads;
            var nearRow = Row(near, rows, allAnchors);
            var farRow = Row(far, rows, allAnchors);
            var products = default(ContrastiveTile);
            for (var column = 0; column < width; column += ContrastivePlan.Chunk)
            {
                // What the tiles held is no longer read.
                Group.Barrier();
                if (tile == firstTile || width > ContrastivePlan.Chunk)
                {
                    batch.Copy(own, firstRow, endRow, column);
                }

                batch.Copy(contrasts, tile * Tile, endContrast, column);
                Group.Barrier();
                products = products.Plus(own, contrasts, batch.FoursOf(column));
            }

            if (width > ContrastivePlan.Chunk)
            {
                Group.Barrier();
                batch.Copy(contrasts, tile * Tile, endContrast, firstColumn);
            }

            var place = (ThreadRow * SlopePitch * 4) + ThreadColumn;
            slope[place] = Slope<TShift>(products.Near.X, row, anchor0, near, nearRow, endContrast, scale);
            slope[place + ColumnThreads] = Slope<TShift>(products.Far.X, row, anchor0, far, farRow, endContrast, scale);
            place += 8 * SlopePitch * 4;
            slope[place] = Slope<TShift>(products.Near.Y, row + 8, anchor1, near, nearRow, endContrast, scale);
            slope[place + ColumnThreads] = Slope<TShift>(products.Far.Y, row + 8, anchor1, far, farRow, endContrast, scale);
            place += 8 * SlopePitch * 4;
            slope[place] = Slope<TShift>(products.Near.Z, row + 16, anchor2, near, nearRow, endContrast, scale);
            slope[place + ColumnThreads] = Slope<TShift>(products.Far.Z, row + 16, anchor2, far, farRow, endContrast, scale);
            place += 8 * SlopePitch * 4;
            slope[place] = Slope<TShift>(products.Near.W, row + 24, anchor3, near, nearRow, endContrast, scale);
            slope[place + ColumnThreads] = Slope<TShift>(products.Far.W, row + 24, anchor3, far, farRow, endContrast, scale);
            Group.Barrier();
            sums = sums.Plus(slopes, SlopePitch, contrasts);
        }

        return sums;
    }

    // Rows beyond the anchors of all shares are outliers, and have no entry.
    private static ContrastiveRow Row(int row, ArrayView<ContrastiveRow> rows, int allAnchors) => row < allAnchors ? rows[row] : ContrastiveRow.NoAnchor(-1);

    // H_ij
    private static float Slope<TShift>(float product, int row, ContrastiveRow anchor, int contrast, ContrastiveRow contrastRow, int endContrast, float scale)
        where TShift : unmanaged, IExponentShift
    {
        var exponent = scale * product;
        var push = default(TShift).IsFixed
            ? (anchor.Push + contrastRow.Push) * XMath.Exp2(exponent - scale)
            : (anchor.Push * XMath.Exp2(exponent - anchor.LogSum)) + (contrastRow.Push * XMath.Exp2(exponent - contrastRow.LogSum));
        var pull = anchor.Label == contrastRow.Label ? anchor.Pull + contrastRow.Pull : 0;
        return contrast < endContrast && contrast != row ? push - pull : 0;
    }

    // Rows of images whose class is not of the tail.
    private static void WriteZeros(int tails, int width, ArrayView<int> order, ArrayView<float> gradient, int stride)
    {
        var images = order.IntLength;
        var warps = Grid.DimX * (Threads / 32);
        for (var place = tails + (Grid.IdxX * (Threads / 32)) + ThreadPlace.Warp; place < images; place += warps)
        {
            var first = (long)order[place] * stride;
            var second = first + ((long)images * stride);
            for (var column = ThreadPlace.Lane; column < width; column += 32)
            {
                gradient[first + column] = 0;
                gradient[second + column] = 0;
            }
        }
    }
}

/// <summary>
/// A thread's part of 32 rows of a gradient in a chunk of 128 columns: rows r, r + 8, r + 16 and r + 24, columns 4 c to 4 c + 3 (near) and 64 further (far),
/// where r = thread / 16 and c = thread % 16.
/// </summary>
internal readonly struct ContrastiveGradient(Float4 near0, Float4 near1, Float4 near2, Float4 near3, Float4 far0, Float4 far1, Float4 far2, Float4 far3)
{
    private const int Fours = ContrastivePlan.Chunk / 4;
    private const int ColumnThreads = 16;

    private readonly Float4 near0 = near0;
    private readonly Float4 near1 = near1;
    private readonly Float4 near2 = near2;
    private readonly Float4 near3 = near3;
    private readonly Float4 far0 = far0;
    private readonly Float4 far1 = far1;
    private readonly Float4 far2 = far2;
    private readonly Float4 far3 = far3;

    // The thread's place in a tile without gaps, in fours.
    private static int Place => (ThreadPlace.Row(ColumnThreads) * Fours) + ThreadPlace.Column(ColumnThreads);

    /// <summary>Adds H X.</summary>
    /// <param name="slopes">H: 32 rows of 8 fours.</param>
    /// <param name="pitch">Fours from a row of H to the next.</param>
    /// <param name="contrasts">The chunk of X; see <see cref="ContrastiveBatchRows.Copy"/>.</param>
    public ContrastiveGradient Plus(ArrayView<Float4> slopes, int pitch, ArrayView<Float4> contrasts)
    {
        var sums = this;
        var row = ThreadPlace.Row(ColumnThreads) * pitch;
        var column = ThreadPlace.Column(ColumnThreads);
        for (var four = 0; four < ContrastivePlan.Tile / 4; four++)
        {
            var slopes0 = slopes[row + four];
            var slopes1 = slopes[row + (8 * pitch) + four];
            var slopes2 = slopes[row + (16 * pitch) + four];
            var slopes3 = slopes[row + (24 * pitch) + four];
            var place = (4 * four * ContrastiveBatchRows.Pitch) + column;
            sums = sums.Plus(slopes0.X, slopes1.X, slopes2.X, slopes3.X, contrasts, place);
            sums = sums.Plus(slopes0.Y, slopes1.Y, slopes2.Y, slopes3.Y, contrasts, place + ContrastiveBatchRows.Pitch);
            sums = sums.Plus(slopes0.Z, slopes1.Z, slopes2.Z, slopes3.Z, contrasts, place + (2 * ContrastiveBatchRows.Pitch));
            sums = sums.Plus(slopes0.W, slopes1.W, slopes2.W, slopes3.W, contrasts, place + (3 * ContrastiveBatchRows.Pitch));
        }

        return sums;
    }

    /// <summary>Adds a part.</summary>
    /// <param name="parts">Tiles without gaps.</param>
    /// <param name="start">Where the part's tile begins.</param>
    public ContrastiveGradient And(ArrayView<Float4> parts, int start)
    {
        var place = start + Place;
        return new(
            near0.Plus(1, parts[place]),
            near1.Plus(1, parts[place + (8 * Fours)]),
            near2.Plus(1, parts[place + (16 * Fours)]),
            near3.Plus(1, parts[place + (24 * Fours)]),
            far0.Plus(1, parts[place + ColumnThreads]),
            far1.Plus(1, parts[place + (8 * Fours) + ColumnThreads]),
            far2.Plus(1, parts[place + (16 * Fours) + ColumnThreads]),
            far3.Plus(1, parts[place + (24 * Fours) + ColumnThreads]));
    }

    /// <summary>Writes a part; the arguments are those of <see cref="And"/>.</summary>
    public void Write(ArrayView<Float4> parts, int start)
    {
        var place = start + Place;
        parts[place] = near0;
        parts[place + (8 * Fours)] = near1;
        parts[place + (16 * Fours)] = near2;
        parts[place + (24 * Fours)] = near3;
        parts[place + ColumnThreads] = far0;
        parts[place + (8 * Fours) + ColumnThreads] = far1;
        parts[place + (16 * Fours) + ColumnThreads] = far2;
        parts[place + (24 * Fours) + ColumnThreads] = far3;
    }

    /// <summary>Writes factor times the rows to where they stand in the batch.</summary>
    public void Write(
        ArrayView<float> gradient, int stride, int width, bool isAligned, ContrastiveBatchRows batch, int firstRow, int endRow, int firstColumn, float factor)
    {
        var row = firstRow + ThreadPlace.Row(ColumnThreads);
        var column = firstColumn + (4 * ThreadPlace.Column(ColumnThreads));
        WriteRow(near0, far0, gradient, stride, width, isAligned, batch, row, endRow, column, factor);
        WriteRow(near1, far1, gradient, stride, width, isAligned, batch, row + 8, endRow, column, factor);
        WriteRow(near2, far2, gradient, stride, width, isAligned, batch, row + 16, endRow, column, factor);
        WriteRow(near3, far3, gradient, stride, width, isAligned, batch, row + 24, endRow, column, factor);
    }

    private static void WriteRow(
        Float4 near,
        Float4 far,
        ArrayView<float> gradient,
        int stride,
        int width,
        bool isAligned,
        ContrastiveBatchRows batch,
        int row,
        int endRow,
        int column,
        float factor)
    {
        if (row < endRow)
        {
            var start = ((long)batch.Number(row) * stride) + column;
            default(Float4).Plus(factor, near).Write(gradient, start, width - column, isAligned);
            default(Float4).Plus(factor, far).Write(gradient, start + (4 * ColumnThreads), width - column - (4 * ColumnThreads), isAligned);
        }
    }

    private ContrastiveGradient Plus(float slope0, float slope1, float slope2, float slope3, ArrayView<Float4> contrasts, int place)
    {
        var near = contrasts[place];
        var far = contrasts[place + ColumnThreads];
        return new(
            near0.Plus(slope0, near),
            near1.Plus(slope1, near),
            near2.Plus(slope2, near),
            near3.Plus(slope3, near),
            far0.Plus(slope0, far),
            far1.Plus(slope1, far),
            far2.Plus(slope2, far),
            far3.Plus(slope3, far));
    }
}
