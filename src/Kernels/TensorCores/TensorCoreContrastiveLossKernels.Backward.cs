using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

internal static partial class TensorCoreContrastiveLossKernels
{
    /// <summary>
    /// G_i = sum_j H_ij x_j over a part of the j, for every row i, where H_ij = (v_i + v_j) E_ij and H_ii = 0. It holds both what x_i receives as an anchor and
    /// as another anchor's contrast. Outliers have v = 0, so they compare themselves with anchors only.
    /// </summary>
    /// <remarks>
    /// A warp owns sixteen rows i. It computes E for a tile of j as the forward pass does, turns it into H in its registers, where it lies as the next
    /// product's factor must, and multiplies it by the same tile. Rows of padding are zeros and have v = 0, so they add nothing.
    /// </remarks>
    /// <param name="features">(parts, padded rows, width / 2) pairs of bfloat16.</param>
    /// <param name="address">Of the first of them.</param>
    /// <param name="paddedRows">Rows of each part.</param>
    /// <param name="slopes">(padded rows): v_i, see Finalise.</param>
    /// <param name="partialGradients">(splits, padded rows, width): a grid row writes its own.</param>
    /// <param name="anchors">The first rows.</param>
    /// <param name="rows">Anchors and outliers.</param>
    /// <param name="scale">log2(e) / temperature.</param>
    [Kernel(128, MinimumBlocks = 2, NeedsTensorCores = true, SavesRegisters = true)]
    [KernelVariant(typeof(BFloat16Width64))]
    [KernelVariant(typeof(BFloat16Width128), HotLoop = 1000, MinimumBlocks = 3)]
    [KernelVariant(typeof(BFloat16Width256))]
    [KernelVariant(typeof(BFloat16x3Width64))]
    [KernelVariant(typeof(BFloat16x3Width128))]
    [KernelVariant(typeof(BFloat16x3Width256))]
    internal static void Backward<T>(
        ArrayView<uint> features,
        long address,
        int paddedRows,
        ArrayView<float> slopes,
        ArrayView<float> partialGradients,
        int anchors,
        int rows,
        float scale)
        where T : struct, ITensorCoreTile
    {
        var shared = SharedMemory.GetDynamic<uint>();
        var columns = default(T).Columns;
        var ownRows = Group.DimX >> 1;
        var firstRow = Grid.IdxX * ownRows;
        var tiles = ((firstRow < anchors ? rows : anchors) + columns - 1) / columns;
        var tile = Shares.Start(tiles, Grid.IdxY, Grid.DimY);

        // Counted down, because the end of the tiles would be divided for anew each time: the compiler has few registers, and knows no better.
        var remaining = Shares.Start(tiles, Grid.IdxY + 1, Grid.DimY) - tile;
        var stage = ContrastiveProducts<T>.TileBytes(ownRows);
        var next = stage + ((default(T).Stages - 1) * ContrastiveProducts<T>.TileBytes(columns));
        var own = ThreadPlace.Warp * TensorCore.Size * ContrastiveProducts<T>.Pitch;
        var row = firstRow + (ThreadPlace.Warp * TensorCore.Size) + (ThreadPlace.Lane >> 2);
        var (top, bottom) = (slopes[row], slopes[row + 8]);
        var sums = default(AccumulatorRows);
        ContrastiveProducts<T>.CopyTile(features, address, paddedRows, firstRow, ownRows, shared, 0);
        if (remaining > 0 && default(T).Stages == 2)
        {
            ContrastiveProducts<T>.CopyTile(features, address, paddedRows, tile * columns, columns, shared, stage);
        }

        TensorCore.CommitCopies();
        for (; remaining > 0; remaining--)
        {
            FetchTile<T>(features, address, paddedRows, tile, remaining, shared, stage, next);
            var products = ContrastiveProducts<T>.InnerProducts(shared, own, ownRows * ContrastiveProducts<T>.Pitch, stage);
            var column = (tile * columns) + (2 * (Group.IdxX & 3));

            // The same for every thread: the tile holds a row's product with itself.
            var diagonal = tile * columns < firstRow + ownRows && firstRow < (tile + 1) * columns;
            var others = stage + TensorCore.LaneOffset(ContrastiveProducts<T>.Pitch);
            var weighted = Weighted(products.First, slopes, top, bottom, scale, row, column, diagonal);
            sums = Accumulate<T>(shared, sums, weighted, others);
            weighted = Weighted(products.Second, slopes, top, bottom, scale, row, column + 16, diagonal);
            sums = Accumulate<T>(shared, sums, weighted, others + (16 * ContrastiveProducts<T>.Pitch));
            if (columns == 64)
            {
                weighted = Weighted(products.Third, slopes, top, bottom, scale, row, column + 32, diagonal);
                sums = Accumulate<T>(shared, sums, weighted, others + (32 * ContrastiveProducts<T>.Pitch));
                weighted = Weighted(products.Fourth, slopes, top, bottom, scale, row, column + 48, diagonal);
                sums = Accumulate<T>(shared, sums, weighted, others + (48 * ContrastiveProducts<T>.Pitch));
            }

            Group.Barrier();
            tile++;
            if (default(T).Stages == 2)
            {
                (stage, next) = (next, stage);
            }
        }

        Store<T>(partialGradients, sums, ((((long)Grid.IdxY * paddedRows) + row) * default(T).Width) + (2 * (Group.IdxX & 3)));
    }

    // H from inner products.
    private static AccumulatorTile Weighted(
        AccumulatorTile tile,
        ArrayView<float> slopes,
        float top,
        float bottom,
        float scale,
        int row,
        int column,
        bool diagonal)
    {
        float first = slopes[column], second = slopes[column + 1], ninth = slopes[column + 8], tenth = slopes[column + 9];
        tile.TopLeft0 = (top + first) * Exponential(tile.TopLeft0, scale);
        tile.TopLeft1 = (top + second) * Exponential(tile.TopLeft1, scale);
        tile.BottomLeft0 = (bottom + first) * Exponential(tile.BottomLeft0, scale);
        tile.BottomLeft1 = (bottom + second) * Exponential(tile.BottomLeft1, scale);
        tile.TopRight0 = (top + ninth) * Exponential(tile.TopRight0, scale);
        tile.TopRight1 = (top + tenth) * Exponential(tile.TopRight1, scale);
        tile.BottomRight0 = (bottom + ninth) * Exponential(tile.BottomRight0, scale);
        tile.BottomRight1 = (bottom + tenth) * Exponential(tile.BottomRight1, scale);
        if (diagonal)
        {
            tile.TopLeft0 = row == column ? 0 : tile.TopLeft0;
            tile.TopLeft1 = row == column + 1 ? 0 : tile.TopLeft1;
            tile.BottomLeft0 = row + 8 == column ? 0 : tile.BottomLeft0;
            tile.BottomLeft1 = row + 8 == column + 1 ? 0 : tile.BottomLeft1;
            tile.TopRight0 = row == column + 8 ? 0 : tile.TopRight0;
            tile.TopRight1 = row == column + 9 ? 0 : tile.TopRight1;
            tile.BottomRight0 = row == column ? 0 : tile.BottomRight0;
            tile.BottomRight1 = row == column + 1 ? 0 : tile.BottomRight1;
        }

        return tile;
    }

    // sums + H x for sixteen rows x. What a lane holds of H as a sum is what it must hold of it as a factor.
    private static AccumulatorRows Accumulate<T>(ArrayView<uint> shared, AccumulatorRows sums, AccumulatorTile weighted, int rows)
        where T : struct, ITensorCoreTile
    {
        const int StripBytes = 128;
        Fragment factor = default, rest = default;
        factor.TopLeft = BFloat16Element.Pair(weighted.TopLeft0, weighted.TopLeft1);
        factor.BottomLeft = BFloat16Element.Pair(weighted.BottomLeft0, weighted.BottomLeft1);
        factor.TopRight = BFloat16Element.Pair(weighted.TopRight0, weighted.TopRight1);
        factor.BottomRight = BFloat16Element.Pair(weighted.BottomRight0, weighted.BottomRight1);
        if (default(T).Parts == 2)
        {
            rest.TopLeft = PackRest(factor.TopLeft, weighted.TopLeft0, weighted.TopLeft1);
            rest.BottomLeft = PackRest(factor.BottomLeft, weighted.BottomLeft0, weighted.BottomLeft1);
            rest.TopRight = PackRest(factor.TopRight, weighted.TopRight0, weighted.TopRight1);
            rest.BottomRight = PackRest(factor.BottomRight, weighted.BottomRight0, weighted.BottomRight1);
        }

        sums.First = ContrastiveProducts<T>.OuterStep(shared, sums.First, factor, rest, rows);
        if (default(T).Width > 64)
        {
            sums.Second = ContrastiveProducts<T>.OuterStep(shared, sums.Second, factor, rest, rows + StripBytes);
        }

        if (default(T).Width > 128)
        {
            KeepOrder<T>();
            sums.Third = ContrastiveProducts<T>.OuterStep(shared, sums.Third, factor, rest, rows + (2 * StripBytes));
            KeepOrder<T>();
            sums.Fourth = ContrastiveProducts<T>.OuterStep(shared, sums.Fourth, factor, rest, rows + (3 * StripBytes));
        }

        return sums;
    }

    // Loads of the next strip, done early, would not fit in the registers.
    private static void KeepOrder<T>()
        where T : struct, ITensorCoreTile
    {
        if (default(T).Parts == 2)
        {
            TensorCore.KeepOrder();
        }
    }

    // What rounding to bfloat16 left of two numbers, rounded itself.
    private static uint PackRest(uint rounded, float first, float second) =>
        BFloat16Element.Pair(first - TensorCore.First(rounded), second - TensorCore.Second(rounded));

    private static void Store<T>(ArrayView<float> output, AccumulatorRows sums, long start)
        where T : struct, ITensorCoreTile
    {
        StoreStrip<T>(output, sums.First, start);
        if (default(T).Width > 64)
        {
            StoreStrip<T>(output, sums.Second, start + 64);
        }

        if (default(T).Width > 128)
        {
            StoreStrip<T>(output, sums.Third, start + 128);
            StoreStrip<T>(output, sums.Fourth, start + 192);
        }
    }

    private static void StoreStrip<T>(ArrayView<float> output, AccumulatorStrip strip, long start)
        where T : struct, ITensorCoreTile
    {
        StoreTile<T>(output, strip.First, start);
        StoreTile<T>(output, strip.Second, start + 16);
        StoreTile<T>(output, strip.Third, start + 32);
        StoreTile<T>(output, strip.Fourth, start + 48);
    }

    private static void StoreTile<T>(ArrayView<float> output, AccumulatorTile tile, long start)
        where T : struct, ITensorCoreTile
    {
        var below = start + (8 * default(T).Width);
        output[start] = tile.TopLeft0;
        output[start + 1] = tile.TopLeft1;
        output[start + 8] = tile.TopRight0;
        output[start + 9] = tile.TopRight1;
        output[below] = tile.BottomLeft0;
        output[below + 1] = tile.BottomLeft1;
        output[below + 8] = tile.BottomRight0;
        output[below + 9] = tile.BottomRight1;
    }
}
