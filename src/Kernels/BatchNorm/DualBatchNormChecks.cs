using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>What <see cref="DualBatchNorm{T}"/> asks of its arguments.</summary>
internal static class DualBatchNormChecks
{
    // Kernels count the values of a channel, and some more for the last step, in 32 bits.
    private const long MaximumValues = 1L << 30;

    // Two sums are written at once.
    private const int WorkspaceAlignment = 8;

    public static void Batch(BatchShape shape, params ReadOnlySpan<(string Name, long Length)> elements)
    {
        if (shape.Images < 0 || shape.Channels < 1 || shape.Pixels < 0 || shape.ValuesPerChannel > MaximumValues)
        {
            throw new ArgumentException($"The batch {shape} is not possible: it needs a channel, and no more than {MaximumValues} values in each.");
        }

        foreach (var (name, length) in elements)
        {
            Length(name, length, shape.Length, shape);
        }
    }

    public static void Variance(BatchShape shape, int inDistributionImages, bool tracksInDistribution)
    {
        if (inDistributionImages < 0 || inDistributionImages > shape.Images)
        {
            throw new ArgumentException($"{inDistributionImages} images cannot be in-distribution in a batch of {shape.Images}.");
        }

        if (shape.ValuesPerChannel < 2 || (tracksInDistribution && (long)inDistributionImages * shape.Pixels == 1))
        {
            var (images, pixels) = shape.ValuesPerChannel < 2 ? ("images", shape.ValuesPerChannel) : ("in-distribution images", 1);
            throw new ArgumentException(
                $"The {images} of the batch {shape} have {pixels} values per channel; training needs at least 2, because fewer have no variance.");
        }
    }

    public static void NotEmpty(BatchShape shape, string whatThereIsNot)
    {
        if (shape.Length == 0)
        {
            throw new ArgumentException($"The batch {shape} is empty, so there are no {whatThereIsNot}.");
        }
    }

    public static void Channels(BatchShape shape, bool optional, params ReadOnlySpan<(string Name, DeviceVector<float> Values)> vectors)
    {
        foreach (var (name, values) in vectors)
        {
            Length(name, values.Length, optional && values.Length == 0 ? 0 : shape.Channels, shape);
        }
    }

    public static void Length(string name, long length, long expected, BatchShape shape)
    {
        if (length != expected)
        {
            throw new ArgumentException($"{name} has {length} elements but the batch is {shape}; it must have {expected}.");
        }
    }

    public static void Workspace(DeviceVector<float> workspace, long expected, BatchShape shape)
    {
        if (workspace.Length < expected)
        {
            throw new ArgumentException($"workspace has {workspace.Length} elements but the batch is {shape}; it must have {expected} or more.");
        }

        if (workspace.Address % WorkspaceAlignment != 0)
        {
            throw new ArgumentException($"workspace begins at address {workspace.Address}; it must be a multiple of {WorkspaceAlignment} bytes.");
        }
    }
}

/// <summary>How a batch is divided among blocks and threads; see <see cref="DualBatchNormKernels"/> for the words.</summary>
/// <param name="Columns">Columns of the array.</param>
/// <param name="TileColumns">Columns of a block, a power of two.</param>
/// <param name="Pixels">Items of a column in one image.</param>
/// <param name="ChannelsPerColumn">1, or as many as 16 bytes hold.</param>
/// <param name="Items">Items of a column in all images.</param>
/// <param name="Threads">Of a block.</param>
internal readonly record struct DualBatchNormPlan(int Columns, int TileColumns, int Pixels, int ChannelsPerColumn, int Items, int Threads)
{
    // A row of a tile is 128 bytes, which memory gives at once, where packets are read, and a warp of single elements. Few enough that many blocks have the same
    // channels.
    private const int TilePackets = 8;

    // Items that a thread takes at once where it reads alone; fewer in a share would leave loads unused.
    private const int ItemsAtOnce = 4;

    private const int MaximumSplits = 65535;

    public int Tiles => ((Columns - 1) / TileColumns) + 1;

    /// <summary>The plan for elements one by one (<paramref name="width"/> 1) or 16 bytes at once.</summary>
    public static DualBatchNormPlan Of(BatchShape shape, int width, int threads)
    {
        // A batch of one pixel is the same in both layouts, and channels last is the faster one.
        if (shape.ChannelsLast || shape.Pixels == 1)
        {
            var columns = shape.Channels / width;
            var widest = width > 1 ? TilePackets : ThreadPlace.WarpSize;
            var tile = 1;
            while (tile < columns && tile < widest)
            {
                tile *= 2;
            }

            return new(columns, tile, 1, width, (int)shape.ValuesPerChannel, threads);
        }

        return new(shape.Channels, 1, shape.Pixels / width, 1, shape.Images * (shape.Pixels / width), threads);
    }

    /// <summary>Whether rows of the batch are whole numbers of 16 bytes.</summary>
    public static bool Fits(BatchShape shape, int width) => (shape.ChannelsLast || shape.Pixels == 1 ? shape.Channels : shape.Pixels) % width == 0;

    /// <summary>Shares of the items such that there are up to so many blocks and none has next to nothing to do.</summary>
    public int Splits(int blocks)
    {
        var useful = Items / (Threads / TileColumns * ItemsAtOnce);
        return Math.Clamp(Math.Min(blocks / Tiles, useful), 1, MaximumSplits);
    }

    public LaunchShape Shape(int splits) => new(Tiles, splits, Threads);
}
