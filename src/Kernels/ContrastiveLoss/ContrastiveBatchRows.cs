using ILGPU;

namespace Pascl.Kernels;

/// <summary>The rows of a batch that take part, in one line, inside a kernel of 128 threads: anchors of both views, then outliers.</summary>
/// <param name="features">(2N + K, width): the first view, the second view, the outliers.</param>
/// <param name="stride">Elements from a row to the next.</param>
/// <param name="width">Columns of a row.</param>
/// <param name="isAligned">Whether rows begin at multiples of 16 bytes.</param>
/// <param name="order">(N): the images of tail classes, then the others.</param>
/// <param name="tailImages">How many are of a tail class.</param>
internal readonly struct ContrastiveBatchRows(ArrayView<float> features, int stride, int width, bool isAligned, ArrayView<int> order, int tailImages)
{
    /// <summary>Fours from a row of a tile to the next in shared memory; odd, so that the rows of a column lie in different banks.</summary>
    public const int Pitch = (ContrastivePlan.Chunk / 4) + 1;

    private readonly ArrayView<float> features = features;
    private readonly ArrayView<int> order = order;
    private readonly int stride = stride;
    private readonly int width = width;
    private readonly int tailImages = tailImages;
    private readonly bool isAligned = isAligned;

    /// <summary>The row's number in the batch.</summary>
    /// <param name="row">Its place in the line.</param>
    public int Number(int row) =>
        row < tailImages ? order[row]
        : row < 2 * tailImages ? order.IntLength + order[row - tailImages]
        : row - (2 * tailImages) + (2 * order.IntLength);

    /// <summary>The image of an anchor.</summary>
    public int Image(int anchor) => order[anchor < tailImages ? anchor : anchor - tailImages];

    /// <summary>Copies a chunk of a tile of rows; what lies outside becomes 0. The caller puts a barrier after it.</summary>
    /// <param name="tile">Receives column 4 c of row r at r * <see cref="Pitch"/> + c.</param>
    /// <param name="firstRow">First row of the tile.</param>
    /// <param name="endRow">The first that is not of the tile, although there may be room.</param>
    /// <param name="firstColumn">First column of the chunk.</param>
    public void Copy(ArrayView<Float4> tile, int firstRow, int endRow, int firstColumn)
    {
        // A warp copies a row. All eight are read before the first is written, so that the reads overlap.
        var warp = Group.IdxX / 32;
        var lane = Group.IdxX % 32;
        var column = firstColumn + (4 * lane);
        var row0 = Read(firstRow + warp, endRow, column);
        var row1 = Read(firstRow + warp + 4, endRow, column);
        var row2 = Read(firstRow + warp + 8, endRow, column);
        var row3 = Read(firstRow + warp + 12, endRow, column);
        var row4 = Read(firstRow + warp + 16, endRow, column);
        var row5 = Read(firstRow + warp + 20, endRow, column);
        var row6 = Read(firstRow + warp + 24, endRow, column);
        var row7 = Read(firstRow + warp + 28, endRow, column);
        var place = (warp * Pitch) + lane;
        tile[place] = row0;
        tile[place + (4 * Pitch)] = row1;
        tile[place + (8 * Pitch)] = row2;
        tile[place + (12 * Pitch)] = row3;
        tile[place + (16 * Pitch)] = row4;
        tile[place + (20 * Pitch)] = row5;
        tile[place + (24 * Pitch)] = row6;
        tile[place + (28 * Pitch)] = row7;
    }

    /// <summary>Fours of a chunk that have columns.</summary>
    public int FoursOf(int firstColumn) => (Math.Min(ContrastivePlan.Chunk, width - firstColumn) + 3) / 4;

    private Float4 Read(int row, int endRow, int column) =>
        row < endRow ? Float4.Read(features, ((long)Number(row) * stride) + column, width - column, isAligned) : default;
}
