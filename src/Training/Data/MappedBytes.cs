using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace Pascl.Training.Data;

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
