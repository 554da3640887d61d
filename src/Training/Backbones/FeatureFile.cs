using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Pascl.Training.Data;

namespace Pascl.Training.Backbones;

/// <summary>What a file of features is of, and how long it is.</summary>
/// <param name="Key">SHA-256 of everything that the features depend on.</param>
/// <param name="Count">Images.</param>
/// <param name="Width">Features of an image.</param>
internal sealed record FeatureLayout(byte[] Key, int Count, int Width)
{
    /// <summary>Images of a block, which is computed and checked as a whole: what a process that is killed loses.</summary>
    public const int BlockRows = 128;

    private const int HashBytes = 32;
    private const int HeaderBytes = 64;
    private static ReadOnlySpan<byte> Magic => "pasclF01"u8;

    /// <summary>Blocks of the file; the last one may be smaller.</summary>
    public int Blocks => (Count + BlockRows - 1) / BlockRows;

    /// <summary>Where the features begin, row after row: behind the header and a SHA-256 for each block, which is zero until the block is there.</summary>
    public long Start => (HeaderBytes + ((long)Blocks * HashBytes) + HeaderBytes - 1) / HeaderBytes * HeaderBytes;

    /// <summary>Images of a block.</summary>
    public int RowsOf(int block) => Math.Min(BlockRows, Count - (block * BlockRows));

    /// <summary>Where the hash of a block stands.</summary>
    public static long HashPlace(int block) => HeaderBytes + ((long)block * HashBytes);

    /// <summary>Where a block stands.</summary>
    public long Place(int block) => Start + ((long)block * BlockRows * Width * sizeof(float));

    /// <summary>The first bytes of the file.</summary>
    public byte[] Header()
    {
        var header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), Count);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), Width);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), BlockRows);
        Key.CopyTo(header.AsSpan(HeaderBytes - HashBytes));
        return header;
    }
}

/// <summary>The features of one view of a set, in a file: little-endian float32, each block with its SHA-256.</summary>
internal sealed class FeatureFile : IDisposable
{
    private readonly FeatureLayout layout;
    private readonly FileStream stream;
    private readonly string path;

    private FeatureFile(FeatureLayout layout, FileStream stream, string path) => (this.layout, this.stream, this.path) = (layout, stream, path);

    private SafeFileHandle Handle => stream.SafeFileHandle;

    /// <summary>Maps a file that is whole, and says by a number of blocks what is wrong with one that is not: all of them for one of something else.</summary>
    /// <returns>The rows, or null; and the blocks that are not there.</returns>
    public static (FeatureBlock? Rows, int Missing) TryMap(string path, FeatureLayout layout)
    {
        if (!File.Exists(path))
        {
            return (null, 0);
        }

        // Who has just finished it may hold it still, for a moment.
        int missing;
        using (var handle = WhenFree(() => File.OpenHandle(path), () => { }, CancellationToken.None))
        {
            missing = Missing(handle, layout).Count;
        }

        return missing > 0 ? (null, missing) : (new FeatureBlock(path, layout.Start, layout.Count, layout.Width), 0);
    }

    /// <summary>Opens a file to fill it; another process that fills it is waited for.</summary>
    /// <param name="path">The file; what is there already is kept where it is right.</param>
    /// <param name="layout">What it will hold.</param>
    /// <param name="waits">Called once where another process has it.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    public static FeatureFile OpenToFill(string path, FeatureLayout layout, Action waits, CancellationToken cancellation) => new(
        layout, WhenFree(() => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), waits, cancellation), path);

    /// <summary>Takes what is right in another file.</summary>
    public void TakeOver(string other)
    {
        using var from = File.OpenRead(other);
        stream.Position = 0;
        from.CopyTo(stream);
        stream.Flush();
    }

    /// <summary>The blocks that are missing or damaged; of a file of something else, and of a new one, all of them.</summary>
    public IReadOnlyList<int> Prepare()
    {
        var missing = Missing(Handle, layout);
        if (missing.Count == layout.Blocks)
        {
            RandomAccess.SetLength(Handle, 0);
            RandomAccess.Write(Handle, layout.Header(), 0);
        }

        return missing;
    }

    /// <summary>Writes a block, and then that it is there.</summary>
    public void Write(int block, ReadOnlySpan<float> rows)
    {
        var bytes = MemoryMarshal.AsBytes(rows);
        RandomAccess.Write(Handle, bytes, layout.Place(block));
        RandomAccess.Write(Handle, SHA256.HashData(bytes), FeatureLayout.HashPlace(block));
    }

    /// <summary>Gives the file its name, when all blocks are there.</summary>
    public void Finish(string name)
    {
        stream.Flush(flushToDisk: true);
        File.Move(path, name, overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private const int WouldBlock = 11;
    private const int SharingViolation = unchecked((int)0x80070020);

    private static T WhenFree<T>(Func<T> open, Action waits, CancellationToken cancellation)
    {
        for (var first = true; ; first = false)
        {
            try
            {
                return open();
            }
            catch (IOException exception) when (exception.HResult is WouldBlock or SharingViolation)
            {
                if (first)
                {
                    waits();
                }

                cancellation.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(100));
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    private static List<int> Missing(SafeFileHandle file, FeatureLayout layout)
    {
        var header = new byte[layout.Header().Length];
        var isOurs = RandomAccess.Read(file, header, 0) == header.Length && header.AsSpan().SequenceEqual(layout.Header());
        var (hash, rows) = (new byte[SHA256.HashSizeInBytes], new byte[FeatureLayout.BlockRows * layout.Width * sizeof(float)]);
        return [.. Enumerable.Range(0, layout.Blocks).Where(block => !isOurs || !IsThere(block))];

        bool IsThere(int block)
        {
            var bytes = rows.AsSpan(0, layout.RowsOf(block) * layout.Width * sizeof(float));
            return RandomAccess.Read(file, bytes, layout.Place(block)) == bytes.Length
                && RandomAccess.Read(file, hash, FeatureLayout.HashPlace(block)) == hash.Length
                && SHA256.HashData(bytes).AsSpan().SequenceEqual(hash);
        }
    }
}
