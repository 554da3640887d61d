using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>How a batch is divided among blocks and threads; see <see cref="DualBatchNormKernels"/> for the words.</summary>
/// <param name="Columns">Columns of the array.</param>
/// <param name="TileColumns">Columns of a block, a power of two.</param>
/// <param name="Pixels">Items of a column in one image.</param>
/// <param name="ChannelsPerColumn">1, or as many as 16 bytes hold.</param>
/// <param name="Items">Items of a column in all images.</param>
/// <param name="Threads">Of a block.</param>
internal readonly record struct DualBatchNormPlan(int Columns, int TileColumns, int Pixels, int ChannelsPerColumn, int Items, int Threads)
{
    // Enough channels for whole memory transactions in a row of them, few enough that many blocks have the same ones.
    private const int TileChannels = 32;

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
            var tile = 1;
            while (tile < columns && tile * width < TileChannels)
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
