using System.Buffers;
using System.IO.MemoryMappedFiles;
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

/// <summary>
/// Bytes of a file in mapped memory, to be read. They stay until they are disposed of, or until nothing refers to them or to a <see cref="Slice"/> of them.
/// </summary>
internal sealed unsafe class MappedBytes : IDisposable
{
    private readonly MemoryMappedViewAccessor view;
    private byte* first;

    /// <summary>Maps <paramref name="length"/> bytes that start <paramref name="offset"/> bytes into a file, which must hold them all.</summary>
    public MappedBytes(string path, long offset, long length)
    {
        Length = length;
        using var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        view = file.CreateViewAccessor(offset, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        first = start + view.PointerOffset;
    }

    /// <summary>Ends a mapping that nobody disposed of.</summary>
    ~MappedBytes() => Free();

    /// <summary>The number of bytes.</summary>
    public long Length { get; }

    /// <summary>Where they start in memory.</summary>
    /// <exception cref="ObjectDisposedException">They were disposed of.</exception>
    public byte* First
    {
        get
        {
            ObjectDisposedException.ThrowIf(first is null, this);
            return first;
        }
    }

    /// <summary>Some of the bytes, which keep the file mapped.</summary>
    /// <exception cref="ArgumentException">There are not so many.</exception>
    public ReadOnlyMemory<byte> Slice(long offset, int length) => offset >= 0 && length >= 0 && offset <= Length - length
        ? new Part(this, offset, length).Memory
        : throw new ArgumentException($"The file has {Length} bytes.");

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (first is not null)
        {
            first = null;
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
        }
    }

    private sealed class Part(MappedBytes bytes, long offset, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(bytes.First + offset, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(bytes.First + offset + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
