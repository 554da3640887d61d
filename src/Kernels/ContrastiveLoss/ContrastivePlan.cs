namespace Pascl.Kernels;

/// <summary>
/// How the blocks share the pairs of rows. The host does not know how many images are of a tail class, so each block makes the plan for itself; the host
/// uses the same code to reserve memory for the worst.
/// </summary>
/// <remarks>
/// Rows that take part stand in one line: the anchors, then the outliers. Tiles are 32 rows; an item is a tile of rows with a run of tiles of contrasts, and,
/// in the backward pass, one chunk of 128 columns of the gradient. Where a tile of rows has several items, each writes its part, and the last sums the parts.
/// </remarks>
internal readonly struct ContrastivePlan
{
    /// <summary>Rows of a tile.</summary>
    public const int Tile = 32;

    /// <summary>Columns of a chunk.</summary>
    public const int Chunk = 128;

    /// <summary>Rows that are anchors.</summary>
    public readonly int Anchors;

    /// <summary>Rows that are anchors or outliers.</summary>
    public readonly int Rows;

    /// <summary>Chunks of a row; 1 in the forward pass, which has none.</summary>
    public readonly int Chunks;

    /// <summary>Tiles of contrasts of an item; the last of a row's items may have fewer.</summary>
    public readonly int TilesPerItem;

    /// <summary>Items of a tile of anchors, per chunk.</summary>
    public readonly int AnchorSplits;

    /// <summary>Items of a tile of outliers, per chunk.</summary>
    public readonly int OutlierSplits;

    /// <summary>Items of the anchors; those of the outliers follow.</summary>
    public readonly int AnchorItems;

    /// <summary>Items of the outliers; none in the forward pass.</summary>
    public readonly int OutlierItems;

    private ContrastivePlan(int tailImages, int outliers, int chunks, bool outliersAreRows, int blocks)
    {
        Anchors = 2 * tailImages;
        Rows = Anchors + outliers;
        Chunks = chunks;
        var anchorTiles = Tiles(Anchors);
        var outlierTiles = outliersAreRows ? Tiles(outliers) : 0;
        var pairs = (anchorTiles * Tiles(Rows)) + (outlierTiles * anchorTiles);
        var blocksPerChunk = Math.Max(1, blocks / chunks);
        TilesPerItem = Math.Max(1, (pairs + blocksPerChunk - 1) / blocksPerChunk);
        AnchorSplits = Splits(Tiles(Rows), TilesPerItem);
        OutlierSplits = Splits(anchorTiles, TilesPerItem);
        AnchorItems = anchorTiles * AnchorSplits * chunks;
        OutlierItems = outlierTiles * OutlierSplits * chunks;
    }

    /// <summary>Items of all.</summary>
    public int Items => AnchorItems + OutlierItems;

    /// <summary>Items that write parts, for the anchors.</summary>
    public int AnchorParts => AnchorSplits > 1 ? AnchorItems : 0;

    /// <summary>Items that write parts.</summary>
    public int Parts => AnchorParts + (OutlierSplits > 1 ? OutlierItems : 0);

    /// <summary>The forward pass: anchors with all contrasts.</summary>
    public static ContrastivePlan Forward(int tailImages, int outliers, int blocks) => new(tailImages, outliers, chunks: 1, outliersAreRows: false, blocks);

    /// <summary>The backward pass: anchors with all contrasts, and outliers with the anchors.</summary>
    public static ContrastivePlan Backward(int tailImages, int outliers, int width, int blocks) =>
        new(tailImages, outliers, Chunked(width), outliersAreRows: true, blocks);

    /// <summary>Number of chunks of so many columns.</summary>
    public static int Chunked(int width) => (width + Chunk - 1) / Chunk;

    /// <summary>Number of tiles of so many rows.</summary>
    public static int Tiles(int rows) => (rows + Tile - 1) / Tile;

    private static int Splits(int tiles, int tilesPerItem) => Math.Max(1, (tiles + tilesPerItem - 1) / tilesPerItem);
}
