using ILGPU;
using Pascl.Kernels.Device;

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
            var row = (int)((uint)piece / (uint)piecesOfRow);
            var column = piece & (piecesOfRow - 1);
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
        const int Step = TensorCore.Size * ElementBytes;
        var sums = default(AccumulatorStrip);
        left += TensorCore.LaneOffset(Pitch);
        right += TensorCore.RightLaneOffset(Pitch);
        for (var k = 0; k < default(T).Width * ElementBytes; k += 4 * Step)
        {
            // Four steps by hand, because ILGPU does not unroll loops, and each way through a loop copies all sums.
            sums = InnerStep(shared, sums, left + k, leftPart, right + k);
            sums = InnerStep(shared, sums, left + k + Step, leftPart, right + k + Step);
            sums = InnerStep(shared, sums, left + k + (2 * Step), leftPart, right + k + (2 * Step));
            sums = InnerStep(shared, sums, left + k + (3 * Step), leftPart, right + k + (3 * Step));
        }

        return sums;
    }

    /// <summary>sums + factor x, where the factor is 16 x 16 and x are sixteen rows, of whose columns these are 64.</summary>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="sums">What is added to.</param>
    /// <param name="factor">The factor's first part.</param>
    /// <param name="factorRest">The factor's second part; not used where there is one.</param>
    /// <param name="rows">Offset of the rows' first part, at the first of the columns, plus <see cref="TensorCore.LaneOffset"/>.</param>
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
        var factor = TensorCore.LoadLeft(shared, left, Pitch);
        var rest = default(T).Parts == 2 ? TensorCore.LoadLeft(shared, left + leftPart, Pitch) : default;
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
        var other = TensorCore.LoadRight(shared, right, Pitch);
        sum = TensorCore.MultiplyAccumulate(shared, sum, factor, other);
        if (default(T).Parts == 2)
        {
            var otherRest = TensorCore.LoadRight(shared, right + (default(T).Columns * Pitch), Pitch);
            sum = TensorCore.MultiplyAccumulate(shared, sum, factor, otherRest);
            sum = TensorCore.MultiplyAccumulate(shared, sum, rest, other);
        }

        return sum;
    }

    private static AccumulatorTile OuterTile(ArrayView<uint> shared, AccumulatorTile sum, Fragment factor, Fragment rest, int rows)
    {
        var other = TensorCore.LoadRightTransposed(shared, rows, Pitch);
        sum = TensorCore.MultiplyAccumulate(shared, sum, factor, other);
        if (default(T).Parts == 2)
        {
            var otherRest = TensorCore.LoadRightTransposed(shared, rows + (default(T).Columns * Pitch), Pitch);
            sum = TensorCore.MultiplyAccumulate(shared, sum, factor, otherRest);
            sum = TensorCore.MultiplyAccumulate(shared, sum, rest, other);
        }

        return sum;
    }
}

/// <summary>A batch for the contrastive loss, in a device's memory.</summary>
/// <param name="Rows">(M + K, width): M anchors, then K outliers. Rows have unit length.</param>
/// <param name="Labels">(M): the class of each anchor, from 0 to <paramref name="Classes"/> - 1. This is not checked.</param>
/// <param name="ClassWeights">(classes): what an anchor's loss is multiplied by; empty for 1 each.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Temperature">Divides the similarities.</param>
public readonly record struct TensorCoreContrastiveBatch(
    DeviceMatrix<float> Rows,
    DeviceVector<int> Labels,
    DeviceVector<float> ClassWeights,
    int Classes,
    float Temperature);

/// <summary>How a batch is divided among blocks, and where its parts lie in the state and the workspace of <see cref="TensorCoreContrastiveLoss"/>.</summary>
internal readonly struct TensorCoreContrastiveLayout
{
    // Tiles of columns have at most this many rows.
    private const int LargestTile = 64;

    // Sections start at multiples of 256 bytes.
    private const int Alignment = 64;
    private const int MaximumGradientSplits = 8;

    // With fewer blocks than this for each that can run at once, a last round of few blocks would leave much of the device idle.
    private const int Rounds = 4;

    private readonly int anchors;
    private readonly int parts;
    private readonly int classes;
    private readonly int columns;

    public TensorCoreContrastiveLayout(
        int anchors, int rows, int columns, int classes, int width, int parts, int forwardSlots, int backwardSlots, int forwardRows, int backwardRows)
    {
        (this.anchors, this.parts, this.classes, this.columns, Width) = (anchors, parts, classes, columns, width);
        var padding = Math.Max(LargestTile, Math.Max(forwardRows, backwardRows));
        PaddedRows = Math.Max(1, (rows + padding - 1) / padding) * padding;
        ForwardBlocks = Math.Max(1, (anchors + forwardRows - 1) / forwardRows);
        BackwardBlocks = Math.Max(1, (rows + backwardRows - 1) / backwardRows);
        ForwardSplits = forwardSlots / ForwardBlocks >= Rounds ? forwardSlots / ForwardBlocks : Math.Max(1, Rounds * forwardSlots / ForwardBlocks);
        BackwardSplits = Math.Clamp(backwardSlots / BackwardBlocks, 1, MaximumGradientSplits);
    }

    public int Width { get; }

    public int PaddedRows { get; }

    public int ForwardBlocks { get; }

    public int ForwardSplits { get; }

    public int BackwardBlocks { get; }

    public int BackwardSplits { get; }

    public long StateLength => SumsStart + Aligned(2L * classes * columns);

    public long WorkspaceLength => Math.Max(LossesStart + PaddedRows, (long)BackwardSplits * PaddedRows * Width);

    private long SlopesStart => (long)parts * PaddedRows * Width / 2;

    private long CountsStart => SlopesStart + PaddedRows;

    private long SumsStart => CountsStart + Aligned(classes);

    private long LossesStart => Aligned((long)ForwardSplits * anchors);

    public DeviceVector<uint> Features(DeviceVector<uint> state) => state.Slice(0, SlopesStart);

    public DeviceVector<float> Slopes(DeviceVector<uint> state) => Section<float>(state, SlopesStart, PaddedRows);

    public DeviceVector<int> ClassCounts(DeviceVector<uint> state) => Section<int>(state, CountsStart, classes);

    public DeviceVector<long> ClassSums(DeviceVector<uint> state) => Section<long>(state, SumsStart, (long)classes * columns);

    public DeviceVector<float> PartialSums(DeviceVector<uint> workspace) => Section<float>(workspace, 0, (long)ForwardSplits * anchors);

    public DeviceVector<float> PartialLosses(DeviceVector<uint> workspace) => Section<float>(workspace, LossesStart, PaddedRows);

    public DeviceVector<float> PartialGradients(DeviceVector<uint> workspace) => Section<float>(workspace, 0, (long)BackwardSplits * PaddedRows * Width);

    private static long Aligned(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private static DeviceVector<T> Section<T>(DeviceVector<uint> memory, long start, long length)
        where T : unmanaged => new(memory.Address + (nint)(start * sizeof(uint)), length);
}
