using ILGPU;

namespace Pascl.Kernels;

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
    private static int Place => (Group.IdxX / ColumnThreads * Fours) + (Group.IdxX % ColumnThreads);

    /// <summary>Adds H X.</summary>
    /// <param name="slopes">H: 32 rows of 8 fours.</param>
    /// <param name="pitch">Fours from a row of H to the next.</param>
    /// <param name="contrasts">The chunk of X; see <see cref="ContrastiveBatchRows.Copy"/>.</param>
    public ContrastiveGradient Plus(ArrayView<Float4> slopes, int pitch, ArrayView<Float4> contrasts)
    {
        var sums = this;
        var row = Group.IdxX / ColumnThreads * pitch;
        var column = Group.IdxX % ColumnThreads;
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
        var row = firstRow + (Group.IdxX / ColumnThreads);
        var column = firstColumn + (4 * (Group.IdxX % ColumnThreads));
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
