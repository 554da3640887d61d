using ILGPU;

namespace Pascl.Kernels;

/// <summary>
/// A thread's eight inner products of a tile of 32 x 32: rows r, r + 8, r + 16 and r + 24 with the columns c and c + 16, where r = thread / 16 and
/// c = thread % 16.
/// </summary>
/// <param name="near">With column c.</param>
/// <param name="far">With column c + 16.</param>
internal readonly struct ContrastiveTile(Float4 near, Float4 far)
{
    public readonly Float4 Near = near;
    public readonly Float4 Far = far;

    /// <summary>Adds the products over a chunk of columns.</summary>
    /// <param name="rows">Chunk of the tile's rows; see <see cref="ContrastiveBatchRows.Copy"/>.</param>
    /// <param name="columns">Chunk of the rows that are the tile's columns.</param>
    /// <param name="fours">Fours of the chunk.</param>
    public ContrastiveTile Plus(ArrayView<Float4> rows, ArrayView<Float4> columns, int fours)
    {
        var near = Near;
        var far = Far;
        var row = Group.IdxX / 16 * ContrastiveBatchRows.Pitch;
        var column = Group.IdxX % 16 * ContrastiveBatchRows.Pitch;
        for (var four = 0; four < fours; four++)
        {
            var row0 = rows[row + four];
            var row1 = rows[row + (8 * ContrastiveBatchRows.Pitch) + four];
            var row2 = rows[row + (16 * ContrastiveBatchRows.Pitch) + four];
            var row3 = rows[row + (24 * ContrastiveBatchRows.Pitch) + four];
            near = Plus(near, row0, row1, row2, row3, columns[column + four]);
            far = Plus(far, row0, row1, row2, row3, columns[column + (16 * ContrastiveBatchRows.Pitch) + four]);
        }

        return new(near, far);
    }

    private static Float4 Plus(Float4 sums, Float4 row0, Float4 row1, Float4 row2, Float4 row3, Float4 column) =>
        new(Plus(sums.X, row0, column), Plus(sums.Y, row1, column), Plus(sums.Z, row2, column), Plus(sums.W, row3, column));

    private static float Plus(float sum, Float4 row, Float4 column) => sum + (row.X * column.X) + (row.Y * column.Y) + (row.Z * column.Z) + (row.W * column.W);
}
