using ILGPU;

namespace Pascl.Kernels;

/// <summary>
/// Products of rows that are sums of one or two bfloat16, inside a kernel. With two parts each, x = h + l, three products are summed: h h' + h l' + l h'.
/// What is left out, l l', is below the rounding of l.
/// </summary>
/// <remarks>A tile lies in shared memory as all rows of the first part, then all of the second; a row is <see cref="Pitch"/> bytes.</remarks>
internal static class ContrastiveProducts<T>
    where T : struct, ITensorCoreTile
{
    private const int ElementBytes = 2;

    /// <summary>Bytes from row to row in shared memory: sixteen more than the row, so that eight rows that are read at once lie in different banks.</summary>
    public static int Pitch => (default(T).Width * ElementBytes) + TensorCore.CopyBytes;

    /// <summary>Bytes of a tile in shared memory.</summary>
    public static int TileBytes(int rows) => default(T).Parts * rows * Pitch;

    /// <summary>Starts to copy a tile of rows.</summary>
    /// <param name="features">(parts, padded rows, width / 2) pairs of bfloat16.</param>
    /// <param name="address">Of the first of them.</param>
    /// <param name="paddedRows">Rows of each part.</param>
    /// <param name="firstRow">The tile's first row.</param>
    /// <param name="rows">The tile's number of rows.</param>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="offset">Where to, in bytes.</param>
    public static void CopyTile(ArrayView<uint> features, long address, int paddedRows, int firstRow, int rows, ArrayView<uint> shared, int offset)
    {
        var piecesOfRow = default(T).Width * ElementBytes / TensorCore.CopyBytes;
        for (var piece = Group.IdxX; piece < rows * piecesOfRow; piece += Group.DimX)
        {
            var (row, column) = (piece / piecesOfRow, piece % piecesOfRow);
            var source = (((long)firstRow + row) * (default(T).Width / 2)) + (column * (TensorCore.CopyBytes / sizeof(uint)));
            var destination = offset + (row * Pitch) + (column * TensorCore.CopyBytes);
            TensorCore.CopyAsync(features, address, source, shared, destination);
            if (default(T).Parts == 2)
            {
                TensorCore.CopyAsync(features, address, source + ((long)paddedRows * (default(T).Width / 2)), shared, destination + (rows * Pitch));
            }
        }
    }

    /// <summary>Inner products of sixteen rows of one tile with all rows of another.</summary>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="left">Offset of the sixteen rows' first part.</param>
    /// <param name="leftPart">Bytes from their first to their second part.</param>
    /// <param name="right">Offset of the other tile.</param>
    public static AccumulatorStrip InnerProducts(ArrayView<uint> shared, int left, int leftPart, int right)
    {
        var sums = default(AccumulatorStrip);

        for (var k = 0; k < default(T).Width * ElementBytes; k += 2 * TensorCore.Size * ElementBytes)
        {
            // Two steps by hand, because ILGPU does not unroll loops.
            sums = InnerStep(shared, sums, left + k, leftPart, right + k);
            sums = InnerStep(shared, sums, left + k + (TensorCore.Size * ElementBytes), leftPart, right + k + (TensorCore.Size * ElementBytes));
        }

        return sums;
    }

    /// <summary>sums + factor x, where the factor is 16 x 16 and x are sixteen rows, of whose columns these are 64.</summary>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="sums">What is added to.</param>
    /// <param name="factor">The factor's first part.</param>
    /// <param name="factorRest">The factor's second part; not used where there is one.</param>
    /// <param name="rows">Offset of the rows' first part, at the first of the columns.</param>
    public static AccumulatorStrip OuterStep(ArrayView<uint> shared, AccumulatorStrip sums, Fragment factor, Fragment factorRest, int rows)
    {
        sums.First = OuterTile(shared, sums.First, factor, factorRest, rows);
        sums.Second = OuterTile(shared, sums.Second, factor, factorRest, rows + (TensorCore.Size * ElementBytes));
        sums.Third = OuterTile(shared, sums.Third, factor, factorRest, rows + (2 * TensorCore.Size * ElementBytes));
        sums.Fourth = OuterTile(shared, sums.Fourth, factor, factorRest, rows + (3 * TensorCore.Size * ElementBytes));
        return sums;
    }

    private static AccumulatorStrip InnerStep(ArrayView<uint> shared, AccumulatorStrip sums, int left, int leftPart, int right)
    {
        var factor = TensorCore.LoadMatrix(shared, left, Pitch);
        var rest = default(T).Parts == 2 ? TensorCore.LoadMatrix(shared, left + leftPart, Pitch) : default;
        sums.First = InnerTile(shared, sums.First, factor, rest, right);
        sums.Second = InnerTile(shared, sums.Second, factor, rest, right + (TensorCore.Size * Pitch));
        if (default(T).Columns == 64)
        {
            sums.Third = InnerTile(shared, sums.Third, factor, rest, right + (2 * TensorCore.Size * Pitch));
            sums.Fourth = InnerTile(shared, sums.Fourth, factor, rest, right + (3 * TensorCore.Size * Pitch));
        }

        return sums;
    }

    private static AccumulatorTile InnerTile(ArrayView<uint> shared, AccumulatorTile sum, Fragment factor, Fragment rest, int right)
    {
        var other = TensorCore.LoadMatrix(shared, right, Pitch);
        sum = TensorCore.MultiplyAccumulate(shared, sum, factor, other);
        if (default(T).Parts == 2)
        {
            var otherRest = TensorCore.LoadMatrix(shared, right + (default(T).Columns * Pitch), Pitch);
            sum = TensorCore.MultiplyAccumulate(shared, sum, factor, otherRest);
            sum = TensorCore.MultiplyAccumulate(shared, sum, rest, other);
        }

        return sum;
    }

    private static AccumulatorTile OuterTile(ArrayView<uint> shared, AccumulatorTile sum, Fragment factor, Fragment rest, int rows)
    {
        var other = TensorCore.LoadMatrixTransposed(shared, rows, Pitch);
        sum = TensorCore.MultiplyAccumulate(shared, sum, factor, other);
        if (default(T).Parts == 2)
        {
            var otherRest = TensorCore.LoadMatrixTransposed(shared, rows + (default(T).Columns * Pitch), Pitch);
            sum = TensorCore.MultiplyAccumulate(shared, sum, factor, otherRest);
            sum = TensorCore.MultiplyAccumulate(shared, sum, rest, other);
        }

        return sum;
    }
}
