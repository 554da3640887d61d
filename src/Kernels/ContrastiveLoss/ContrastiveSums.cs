using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Sums over part of an anchor's contrasts; 16 bytes, so that a GPU reads and writes them at once.</summary>
/// <param name="exponentials">sum 2^(t - shift) over the contrasts, t = x_i . x_j log2(e) / temperature.</param>
/// <param name="positives">sum t over the positives.</param>
/// <param name="count">Number of positives.</param>
/// <param name="shift">The largest t; unused where the shift is fixed.</param>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct ContrastiveSums(float exponentials, float positives, float count, float shift)
{
    // Below every exponent, and finite: infinity minus itself would be no number.
    private const float Lowest = -1e38f;

    public readonly float Exponentials = exponentials;
    public readonly float Positives = positives;
    public readonly float Count = count;
    public readonly float Shift = shift;

    /// <summary>The sums over nothing.</summary>
    public static ContrastiveSums Empty => new(0, 0, 0, Lowest);

    /// <summary>With one more contrast.</summary>
    /// <param name="exponent">t.</param>
    /// <param name="fixedShift">The shift, where it is fixed.</param>
    /// <param name="isContrast">False for the anchor itself and for what fills up a tile.</param>
    /// <param name="isPositive">Whether it is a contrast of the anchor's class.</param>
    public ContrastiveSums With<TShift>(float exponent, float fixedShift, bool isContrast, bool isPositive)
        where TShift : unmanaged, IExponentShift
    {
        var positives = isPositive ? Positives + exponent : Positives;
        var count = isPositive ? Count + 1 : Count;
        if (default(TShift).IsFixed)
        {
            return new(isContrast ? Exponentials + XMath.Exp2(exponent - fixedShift) : Exponentials, positives, count, Shift);
        }

        var shift = isContrast ? XMath.Max(Shift, exponent) : Shift;
        var term = isContrast ? XMath.Exp2(exponent - shift) : 0;
        return new((Exponentials * XMath.Exp2(Shift - shift)) + term, positives, count, shift);
    }

    /// <summary>The sums over these contrasts and others.</summary>
    public ContrastiveSums And<TShift>(ContrastiveSums other)
        where TShift : unmanaged, IExponentShift
    {
        if (default(TShift).IsFixed)
        {
            return new(Exponentials + other.Exponentials, Positives + other.Positives, Count + other.Count, Shift);
        }

        var shift = XMath.Max(Shift, other.Shift);
        var exponentials = (Exponentials * XMath.Exp2(Shift - shift)) + (other.Exponentials * XMath.Exp2(other.Shift - shift));
        return new(exponentials, Positives + other.Positives, Count + other.Count, shift);
    }
}

/// <summary>What the backward pass needs to know of a row; 16 bytes, so that a GPU reads it at once.</summary>
/// <param name="push">w / (M Z) with a fixed shift, w / M with a shift of the row's own; 0 for outliers.</param>
/// <param name="pull">w / (M |P|); 0 for outliers.</param>
/// <param name="logSum">log2 Z; only used with a shift of the row's own.</param>
/// <param name="label">The class; -1 for outliers.</param>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct ContrastiveRow(float push, float pull, float logSum, int label)
{
    public readonly float Push = push;
    public readonly float Pull = pull;
    public readonly float LogSum = logSum;
    public readonly int Label = label;

    /// <summary>A row that is no anchor here. Against its sum every exponential vanishes.</summary>
    /// <param name="label">Its class; -1 for outliers.</param>
    public static ContrastiveRow NoAnchor(int label) => new(0, 0, float.MaxValue, label);
}

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
        var row = (Group.IdxX >> 4) * ContrastiveBatchRows.Pitch;
        var column = (Group.IdxX & 15) * ContrastiveBatchRows.Pitch;
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

/// <summary>The rows of a batch that take part, in one line, inside a kernel of 128 threads: anchors of both views, then outliers.</summary>
/// <param name="features">(2N + K, width): the first view, the second view, the outliers.</param>
/// <param name="stride">Elements from a row to the next.</param>
/// <param name="width">Columns of a row.</param>
/// <param name="isAligned">Whether rows begin at multiples of 16 bytes.</param>
/// <param name="order">(N): the images of tail classes, then the others.</param>
/// <param name="tailImages">How many are of a tail class.</param>
/// <param name="firstAnchor">With which of the anchors the line begins; those before it follow the last one.</param>
internal readonly struct ContrastiveBatchRows(
    ArrayView<float> features, int stride, int width, bool isAligned, ArrayView<int> order, int tailImages, int firstAnchor)
{
    /// <summary>Fours from a row of a tile to the next in shared memory; odd, so that the rows of a column lie in different banks.</summary>
    public const int Pitch = (ContrastivePlan.Chunk / 4) + 1;

    private readonly ArrayView<float> features = features;
    private readonly ArrayView<int> order = order;
    private readonly int stride = stride;
    private readonly int width = width;
    private readonly int tailImages = tailImages;
    private readonly int firstAnchor = firstAnchor;
    private readonly bool isAligned = isAligned;

    /// <summary>The row's number in the batch.</summary>
    /// <param name="row">Its place in the line.</param>
    public int Number(int row)
    {
        var anchor = Anchor(row);
        return row >= 2 * tailImages ? row - (2 * tailImages) + (2 * order.IntLength)
            : anchor < tailImages ? order[anchor] : order.IntLength + order[anchor - tailImages];
    }

    /// <summary>The image of an anchor, of any share.</summary>
    /// <param name="row">Its place in the line.</param>
    public int Image(int row)
    {
        var anchor = Anchor(row);
        return order[anchor < tailImages ? anchor : anchor - tailImages];
    }

    /// <summary>Copies a chunk of a tile of rows; what lies outside becomes 0. The caller puts a barrier after it.</summary>
    /// <param name="tile">Receives column 4 c of row r at r * <see cref="Pitch"/> + c.</param>
    /// <param name="firstRow">First row of the tile.</param>
    /// <param name="endRow">The first that is not of the tile, although there may be room.</param>
    /// <param name="firstColumn">First column of the chunk.</param>
    public void Copy(ArrayView<Float4> tile, int firstRow, int endRow, int firstColumn)
    {
        // A warp copies a row. All eight are read before the first is written, so that the reads overlap.
        var warp = ThreadPlace.Warp;
        var lane = ThreadPlace.Lane;
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
    public int FoursOf(int firstColumn) => (Math.Min(ContrastivePlan.Chunk, width - firstColumn) + 3) >> 2;

    // Which of the anchors stands at a place in the line.
    private int Anchor(int row) => row + firstAnchor < 2 * tailImages ? row + firstAnchor : row + firstAnchor - (2 * tailImages);

    private Float4 Read(int row, int endRow, int column) =>
        row < endRow ? Float4.Read(features, ((long)Number(row) * stride) + column, width - column, isAligned) : default;
}

/// <summary>The shift of the exponents, as a constant of a compiled kernel; see <see cref="FusedContrastiveLossVariant"/>.</summary>
internal interface IExponentShift
{
    /// <summary>Whether it is the same for all rows.</summary>
    bool IsFixed { get; }
}

/// <summary><see cref="FusedContrastiveLossVariant.FixedShift"/>.</summary>
internal readonly struct FixedShift : IExponentShift
{
    public bool IsFixed => true;
}

/// <summary><see cref="FusedContrastiveLossVariant.RowMaximum"/>.</summary>
internal readonly struct RowMaximum : IExponentShift
{
    public bool IsFixed => false;
}

/// <summary>What lies where in the state of <see cref="FusedContrastiveLoss"/>.</summary>
/// <param name="state">All of it, at a multiple of 16 bytes.</param>
/// <param name="images">N.</param>
/// <param name="blocks">The most blocks of the forward pass.</param>
internal readonly struct ContrastiveState(DeviceVector<float> state, int images, int blocks)
{
    private const int FloatsOfFour = 4;

    /// <summary>One element: the number of images of tail classes.</summary>
    public DeviceVector<int> TailImages => new(state.Address, 1);

    /// <summary>One per anchor at most.</summary>
    public DeviceVector<ContrastiveRow> Rows => new(Start(FloatsOfFour), 2 * images);

    /// <summary>One per image, for each block of the forward pass.</summary>
    public DeviceVector<int> Orders => new(Start(FloatsOfFour * (1 + (2L * images))), (long)blocks * images);

    /// <summary>One per image, as every block found it.</summary>
    public DeviceVector<int> Order => Orders.Slice(0, images);

    /// <summary>Working memory of the forward pass.</summary>
    public DeviceVector<ContrastiveSums> Sums => new(Start(WorkStart(images, blocks)), WorkLength);

    /// <summary>Working memory of the backward pass, the same.</summary>
    public DeviceVector<Float4> Gradients => new(Start(WorkStart(images, blocks)), WorkLength);

    private long WorkLength => (state.Length - WorkStart(images, blocks)) / FloatsOfFour;

    /// <summary>Elements that are enough for any number of images of tail classes.</summary>
    public static long Length(int images, int outliers, int width, AnchorShare share, int blocks)
    {
        long work = 0;
        for (var tailImages = 0; tailImages <= images; tailImages++)
        {
            var forward = (long)ContrastivePlan.Forward(tailImages, outliers, share, blocks).Items * ContrastivePlan.Tile * FloatsOfFour;
            var backward = (long)ContrastivePlan.Backward(tailImages, outliers, width, share, blocks).Parts * ContrastivePlan.Tile * ContrastivePlan.Chunk;
            work = Math.Max(work, Math.Max(forward, backward));
        }

        return WorkStart(images, blocks) + work;
    }

    private static long WorkStart(int images, int blocks) =>
        FloatsOfFour * (1 + (2L * images) + ((((long)blocks * images) + FloatsOfFour - 1) / FloatsOfFour));

    private nint Start(long element) => state.Address + (nint)(element * sizeof(float));
}
