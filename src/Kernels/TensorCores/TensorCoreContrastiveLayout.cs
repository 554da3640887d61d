using Pascl.Kernels.Device;

namespace Pascl.Kernels;

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

    public TensorCoreContrastiveLayout(int anchors, int rows, int columns, int classes, int width, int parts, int slots, int forwardRows, int backwardRows)
    {
        (this.anchors, this.parts, this.classes, this.columns, Width) = (anchors, parts, classes, columns, width);
        var padding = Math.Max(LargestTile, Math.Max(forwardRows, backwardRows));
        PaddedRows = Math.Max(1, (rows + padding - 1) / padding) * padding;
        ForwardBlocks = Math.Max(1, (anchors + forwardRows - 1) / forwardRows);
        BackwardBlocks = Math.Max(1, (rows + backwardRows - 1) / backwardRows);
        ForwardSplits = slots / ForwardBlocks >= Rounds ? slots / ForwardBlocks : Math.Max(1, Rounds * slots / ForwardBlocks);
        BackwardSplits = Math.Clamp(slots / BackwardBlocks, 1, MaximumGradientSplits);
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
