using ILGPU;

namespace Pascl.Kernels;

/// <summary>Device code of <see cref="FusedContrastiveLoss"/>: one launch forward, one backward.</summary>
internal static partial class FusedContrastiveLossKernels
{
    public const int Threads = 128;

    private const int Tile = ContrastivePlan.Tile;
    private const int TileLength = Tile * ContrastiveBatchRows.Pitch;
    private const int ColumnThreads = 16;

    // Places in a tile of this thread's first row and first column; the others are 8, 16 and 24 rows further and 16 columns.
    private static int ThreadRow => Group.IdxX / ColumnThreads;

    private static int ThreadColumn => Group.IdxX % ColumnThreads;
}
