using System.Runtime.InteropServices;

namespace Pascl.Training.Data;

/// <summary>
/// Images of one size as bytes in one contiguous block: (Count, Height, Width, 3), red green blue, in native memory or mapped from a file.
/// </summary>
public sealed unsafe class PixelBlock : IDisposable
{
    /// <summary>Colour channels of every image.</summary>
    public const int Channels = 3;

    private readonly MappedBytes? mapped;
    private byte* allocated;

    /// <summary>Allocates a block whose bytes are zero.</summary>
    public PixelBlock(int count, int height, int width)
        : this(count, height, width, null)
    {
        allocated = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(1, ByteCount));
    }

    private PixelBlock(int count, int height, int width, Func<long, MappedBytes>? map)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        (Count, Height, Width) = (count, height, width);
        mapped = map?.Invoke(ByteCount);
    }

    /// <summary>Frees native memory that nobody disposed.</summary>
    ~PixelBlock() => Free();

    /// <summary>Number of images.</summary>
    public int Count { get; }

    /// <summary>Rows of pixels in an image.</summary>
    public int Height { get; }

    /// <summary>Columns of pixels in an image.</summary>
    public int Width { get; }

    /// <summary>Bytes of one image: Height * Width * 3.</summary>
    public int ImageByteCount => Height * Width * Channels;

    /// <summary>Whether the bytes are those of a file on disk; such a block is read-only.</summary>
    public bool IsMapped => mapped is not null;

    private long ByteCount => (long)Count * ImageByteCount;

    /// <summary>The bytes of image <paramref name="index"/>, (Height, Width, 3).</summary>
    public ReadOnlySpan<byte> this[int index] => new(Address(index), ImageByteCount);

    /// <summary>Maps the images that start <paramref name="offset"/> bytes into a file; the file must hold them all.</summary>
    public static PixelBlock Map(string path, long offset, int count, int height, int width) =>
        new(count, height, width, bytes => new MappedBytes(path, offset, bytes));

    /// <summary>The bytes of image <paramref name="index"/> for writing; only for a block that was allocated.</summary>
    public Span<byte> Writable(int index) =>
        IsMapped ? throw new InvalidOperationException("The images are mapped from a file and cannot be written.") : new(Address(index), ImageByteCount);

    /// <inheritdoc/>
    public void Dispose()
    {
        mapped?.Dispose();
        Free();
        GC.SuppressFinalize(this);
    }

    private byte* Address(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        ObjectDisposedException.ThrowIf(!IsMapped && allocated is null, this);
        return (IsMapped ? mapped!.First : allocated) + ((long)index * ImageByteCount);
    }

    private void Free()
    {
        NativeMemory.Free(allocated);
        allocated = null;
    }
}
