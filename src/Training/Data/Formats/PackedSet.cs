using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// A data set in one file: its images decoded, turned and resized, one after the other without compression, then what they are. Mapped into memory when it is read, so that a
/// training decodes nothing.
/// </summary>
/// <remarks>
/// 64 bytes: eight letters, version (int32), 0 (int32), place and length of the index (int64 each), SHA-256 of the index; then the images, each a <see cref="RawPicture"/>; then
/// the index as JSON (<see cref="Index"/>). Numbers are of little endian.
/// </remarks>
internal static class PackedSet
{
    public const int HeaderLength = 64;
    public const int Version = 1;
    private const int ImagesAtOnce = 64;

    public static ReadOnlySpan<byte> Letters => "PASCLSET"u8;

    /// <summary>Writes the images of a data set.</summary>
    /// <param name="dataset">The data set.</param>
    /// <param name="path">The file.</param>
    /// <param name="side">The shorter side of every image; smaller images stay as they are.</param>
    /// <returns>Images written, bytes, and one sentence for each image that was left out.</returns>
    /// <exception cref="InputException">No image can be read, or the file cannot be written.</exception>
    public static (int Images, long Bytes, IReadOnlyList<string> LeftOut) Write(FileDataset dataset, string path, int side)
    {
        string[] names = [.. dataset.Parts.SelectMany(part => dataset.Files[part]).Select(file => file.Name).Distinct()];
        var (entries, leftOut, length) = (new Dictionary<string, Entry>(), new List<string>(), 0L);
        DurableFile.Replace(path, stream =>
        {
            stream.Write(new byte[HeaderLength]);
            foreach (var chunk in names.Chunk(ImagesAtOnce))
            {
                var (pictures, faults) = (new byte[chunk.Length][], new string?[chunk.Length]);
                Parallel.For(0, chunk.Length, i => faults[i] = Decode(dataset.Tree, chunk[i], side, out pictures[i]));
                foreach (var (i, name) in chunk.Index())
                {
                    if (faults[i] is { } fault)
                    {
                        leftOut.Add(fault);
                        continue;
                    }

                    entries.Add(name, new Entry(name, stream.Position, pictures[i].Length, ChecksumOf(pictures[i])));
                    stream.Write(pictures[i]);
                }
            }

            if (entries.Count == 0)
            {
                throw new InputException($"{dataset.Location} holds no image that can be read, so nothing was written. {leftOut.FirstOrDefault()}");
            }

            WriteIndex(stream, new Index(
                dataset.Location, dataset.Format, side, dataset.ClassNames, [.. entries.Values],
                dataset.Parts.ToDictionary(part => part, part => dataset.Files[part].Where(file => entries.ContainsKey(file.Name)).Select(file => new Image(file.Name, file.Label)).ToArray()),
                dataset.IsCollection));
            length = stream.Length;
        });
        return (entries.Count, length, leftOut);
    }

    /// <summary>The first digits of the SHA-256 of a picture.</summary>
    public static string ChecksumOf(ReadOnlySpan<byte> picture) => Convert.ToHexStringLower(SHA256.HashData(picture)[..8]);

    private static string? Decode(FileTree tree, string name, int side, out byte[] picture)
    {
        picture = [];
        try
        {
            using var decoder = DecoderPool.Rent();
            return decoder.Value.DecodeResized(tree.Read(name).Span, side, out picture) is { } fault ? $"{tree.Describe(name)} {fault}." : null;
        }
        catch (InputException exception)
        {
            return exception.Message;
        }
    }

    private static void WriteIndex(Stream stream, Index index)
    {
        var (place, json) = (stream.Position, JsonSerializer.SerializeToUtf8Bytes(index));
        stream.Write(json);
        var header = new byte[HeaderLength];
        Letters.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), place);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(24), json.Length);
        SHA256.HashData(json).CopyTo(header.AsSpan(32));
        stream.Position = 0;
        stream.Write(header);
        stream.Position = stream.Length;
    }

    /// <summary>What a packed set consists of.</summary>
    /// <param name="Source">Where the images were.</param>
    /// <param name="Format">The format that they were in.</param>
    /// <param name="Side">The shorter side that they were resized to.</param>
    /// <param name="ClassNames">The classes in label order.</param>
    /// <param name="Entries">The images in the order in which they lie.</param>
    /// <param name="Parts">The images of each part in their order, with their labels.</param>
    /// <param name="IsCollection">Whether the parts are separate out-of-distribution sets.</param>
    internal sealed record Index(
        string Source, string Format, int Side, IReadOnlyList<string> ClassNames, Entry[] Entries, IReadOnlyDictionary<string, Image[]> Parts, bool IsCollection);

    /// <summary>An image, where it lies, and the first 16 digits of the SHA-256 of its bytes.</summary>
    internal sealed record Entry(string Name, long Offset, int Length, string Checksum);

    /// <summary>An image of a part.</summary>
    internal sealed record Image(string Name, int Label);
}

/// <summary>The images of a packed set as files, in memory that is mapped. Each is compared with its checksum when it is read for the first time.</summary>
internal sealed class PackedTree : FileTree
{
    private readonly MappedBytes file;
    private readonly Dictionary<string, int> placeOf;
    private readonly bool[] isChecked;

    private PackedTree(string path, MappedBytes file, PackedSet.Index index)
        : base(path, index.Entries.Select(entry => entry.Name), [], [])
    {
        (this.file, Index, isChecked) = (file, index, new bool[index.Entries.Length]);
        placeOf = index.Entries.Index().ToDictionary(entry => entry.Item.Name, entry => entry.Index, StringComparer.Ordinal);
    }

    /// <summary>What it consists of.</summary>
    public PackedSet.Index Index { get; }

    /// <summary>Whether a file is a packed set by its first bytes.</summary>
    public static bool IsPack(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var start = new byte[PackedSet.Letters.Length];
            return stream.Length >= PackedSet.HeaderLength && stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && PackedSet.Letters.SequenceEqual(start);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Opens a packed set.</summary>
    /// <exception cref="InputException">It is of a newer version, cut short or damaged.</exception>
    public static PackedTree OpenPack(string path)
    {
        var damaged = new InputException($"{path} is a packed data set that is cut short or damaged; pack its source again.");
        try
        {
            var file = new MappedBytes(path, 0, new FileInfo(path).Length);
            var header = file.Slice(0, PackedSet.HeaderLength).Span;
            var version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
            if (version != PackedSet.Version)
            {
                throw new InputException($"{path} is a packed data set of version {version}; this program reads version {PackedSet.Version}. Pack its source again.");
            }

            var (place, length) = (BinaryPrimitives.ReadInt64LittleEndian(header[16..]), BinaryPrimitives.ReadInt64LittleEndian(header[24..]));
            if (place < PackedSet.HeaderLength || length is <= 0 or > int.MaxValue || place > file.Length - length)
            {
                throw damaged;
            }

            var json = file.Slice(place, (int)length).Span;
            if (!SHA256.HashData(json).AsSpan().SequenceEqual(header[32..]) || JsonSerializer.Deserialize<PackedSet.Index>(json) is not { } index)
            {
                throw damaged;
            }

            return new PackedTree(path, file, index);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw damaged;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    public override ReadOnlyMemory<byte> Read(string file)
    {
        if (!placeOf.TryGetValue(file, out var place))
        {
            throw new InputException($"{Location} holds no image {file}.");
        }

        var entry = Index.Entries[place];
        var picture = this.file.Slice(entry.Offset, entry.Length);
        if (!isChecked[place])
        {
            isChecked[place] = PackedSet.ChecksumOf(picture.Span) == entry.Checksum ? true
                : throw new InputException($"{Describe(file)} is damaged: its checksum is another. Pack the data set again.");
        }

        return picture;
    }

    public override string Describe(string file) => $"{Location}: {file}";
}

/// <summary>A packed set as the data set that it was made of.</summary>
internal sealed class PackedDataset : FileDataset
{
    private bool isCollection;

    public override bool IsCollection => isCollection;

    /// <summary>The data set of a tree.</summary>
    public static PackedDataset Of(PackedTree tree) => new()
    {
        Location = tree.Location,
        Format = $"packed from {tree.Index.Format}, shorter side {tree.Index.Side}",
        ClassNames = tree.Index.ClassNames,
        Parts = [.. tree.Index.Parts.Keys],
        Tree = tree,
        Files = tree.Index.Parts.ToDictionary(part => part.Key, part => (IReadOnlyList<ImageFile>)[.. part.Value.Select(image => new ImageFile(image.Name, image.Label))]),
        isCollection = tree.Index.IsCollection,
    };
}
