namespace Pascl.Training.Data.Formats;

/// <summary>Allocates image blocks, but not ones that cannot fit into memory.</summary>
internal static class Allocation
{
    /// <summary>A block of square images for the data set at <paramref name="location"/>.</summary>
    public static PixelBlock Of(int count, int size, string location)
    {
        var byteCount = (long)count * size * size * PixelBlock.Channels;
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return byteCount <= available
            ? new PixelBlock(count, size, size)
            : throw new InputException(
                $"{location} holds {count:N0} images, which take {byteCount >> 20:N0} MiB at {size} x {size} pixels, "
                + $"and this machine has {available >> 20:N0} MiB; choose a smaller image size.");
    }
}
