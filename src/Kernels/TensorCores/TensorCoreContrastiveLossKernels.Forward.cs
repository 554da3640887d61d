using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

internal static partial class TensorCoreContrastiveLossKernels
{
    /// <summary>
    /// Sums of E_ij = exp((x_i . x_j - 1) / temperature) over a part of the j other than i, for every anchor i. A warp owns sixteen rows i and a block half as
    /// many as it has threads; the block goes over tiles of columns j.
    /// </summary>
    /// <param name="features">(parts, padded rows, width / 2) pairs of bfloat16.</param>
    /// <param name="address">Of the first of them.</param>
    /// <param name="paddedRows">Rows of each part.</param>
    /// <param name="partialSums">(splits, anchors): a grid row writes a row of it.</param>
    /// <param name="anchors">The first rows.</param>
    /// <param name="rows">Anchors and outliers.</param>
    /// <param name="scale">log2(e) / temperature.</param>
    [Kernel(256, MinimumBlocks = 2, NeedsTensorCores = true, SavesRegisters = true)]
    [KernelVariant(typeof(BFloat16Width64))]
    [KernelVariant(typeof(BFloat16Width128), HotLoop = 800)]
    [KernelVariant(typeof(BFloat16Width256))]
    [KernelVariant(typeof(BFloat16x3Width64))]
    [KernelVariant(typeof(BFloat16x3Width128))]
    [KernelVariant(typeof(BFloat16x3Width256))]
    internal static void Forward<T>(ArrayView<uint> features, long address, int paddedRows, ArrayView<float> partialSums, int anchors, int rows, float scale)
        where T : struct, ITensorCoreTile
    {
        var shared = SharedMemory.GetDynamic<uint>();
        var columns = default(T).Columns;
        var ownRows = Group.DimX >> 1;
        var firstRow = Grid.IdxX * ownRows;
        var tiles = (rows + columns - 1) / columns;
        var tile = Shares.Start(tiles, Grid.IdxY, Grid.DimY);

        // Counted down, because the end of the tiles would be divided for anew each time: the compiler has few registers, and knows no better.
        var remaining = Shares.Start(tiles, Grid.IdxY + 1, Grid.DimY) - tile;
        var stage = ContrastiveProducts<T>.TileBytes(ownRows);
        var next = stage + ((default(T).Stages - 1) * ContrastiveProducts<T>.TileBytes(columns));
        var own = ThreadPlace.Warp * TensorCore.Size * ContrastiveProducts<T>.Pitch;
        var row = firstRow + (ThreadPlace.Warp * TensorCore.Size) + (ThreadPlace.Lane >> 2);
        float top = 0, bottom = 0;
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

            // The same for every thread: the tile holds an anchor's product with itself, or rows of padding.
            if ((tile * columns < firstRow + ownRows && firstRow < (tile + 1) * columns) || (tile + 1) * columns > rows)
            {
                top += TopSum(products.First, scale, row, column, rows) + TopSum(products.Second, scale, row, column + 16, rows);
                bottom += BottomSum(products.First, scale, row + 8, column, rows) + BottomSum(products.Second, scale, row + 8, column + 16, rows);
                if (columns == 64)
                {
                    top += TopSum(products.Third, scale, row, column + 32, rows) + TopSum(products.Fourth, scale, row, column + 48, rows);
                    bottom += BottomSum(products.Third, scale, row + 8, column + 32, rows) + BottomSum(products.Fourth, scale, row + 8, column + 48, rows);
                }
            }
            else
            {
                top += TopSum(products.First, scale) + TopSum(products.Second, scale);
                bottom += BottomSum(products.First, scale) + BottomSum(products.Second, scale);
                if (columns == 64)
                {
                    top += TopSum(products.Third, scale) + TopSum(products.Fourth, scale);
                    bottom += BottomSum(products.Third, scale) + BottomSum(products.Fourth, scale);
                }
            }

            Group.Barrier();
            tile++;
            if (default(T).Stages == 2)
            {
                (stage, next) = (next, stage);
            }
        }

        // The four lanes that share a row.
        top += Warp.ShuffleXor(top, 1);
        bottom += Warp.ShuffleXor(bottom, 1);
        top += Warp.ShuffleXor(top, 2);
        bottom += Warp.ShuffleXor(bottom, 2);
        if ((Group.IdxX & 3) == 0 && row < anchors)
        {
            partialSums[((long)Grid.IdxY * anchors) + row] = top;
        }

        if ((Group.IdxX & 3) == 0 && row + 8 < anchors)
        {
            partialSums[((long)Grid.IdxY * anchors) + row + 8] = bottom;
        }
    }

    // Waits for a tile and starts to copy the next, or copies the tile where there is room for one only. Ends in a barrier.
    private static void FetchTile<T>(
        ArrayView<uint> features, long address, int paddedRows, int tile, int remaining, ArrayView<uint> shared, int stage, int next)
        where T : struct, ITensorCoreTile
    {
        var columns = default(T).Columns;
        if (remaining >= default(T).Stages)
        {
            var wanted = tile + default(T).Stages - 1;
            ContrastiveProducts<T>.CopyTile(features, address, paddedRows, wanted * columns, columns, shared, next);
        }

        TensorCore.CommitCopies();
        if (default(T).Stages == 2)
        {
            TensorCore.WaitForCopiesButLast();
        }
        else
        {
            TensorCore.WaitForCopies();
        }

        Group.Barrier();
    }

    private static float Exponential(float product, float scale) => SpecialFunctions.Exp2((product * scale) - scale);

    private static float Exponential(float product, float scale, int row, int column, int rows) =>
        row == column || column >= rows ? 0 : SpecialFunctions.Exp2((product * scale) - scale);

    private static float TopSum(AccumulatorTile tile, float scale) =>
        Exponential(tile.TopLeft0, scale) + Exponential(tile.TopLeft1, scale) + Exponential(tile.TopRight0, scale) + Exponential(tile.TopRight1, scale);

    private static float BottomSum(AccumulatorTile tile, float scale) =>
        Exponential(tile.BottomLeft0, scale) + Exponential(tile.BottomLeft1, scale)
        + Exponential(tile.BottomRight0, scale) + Exponential(tile.BottomRight1, scale);

    private static float TopSum(AccumulatorTile tile, float scale, int row, int column, int rows) =>
        Exponential(tile.TopLeft0, scale, row, column, rows) + Exponential(tile.TopLeft1, scale, row, column + 1, rows)
        + Exponential(tile.TopRight0, scale, row, column + 8, rows) + Exponential(tile.TopRight1, scale, row, column + 9, rows);

    private static float BottomSum(AccumulatorTile tile, float scale, int row, int column, int rows) =>
        Exponential(tile.BottomLeft0, scale, row, column, rows) + Exponential(tile.BottomLeft1, scale, row, column + 1, rows)
        + Exponential(tile.BottomRight0, scale, row, column + 8, rows) + Exponential(tile.BottomRight1, scale, row, column + 9, rows);
}
