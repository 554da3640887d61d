using System.Formats.Tar;
using System.IO.Compression;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The files of a tar archive, plain or compressed with gzip. The archive is streamed once, and its files are kept in memory as they are
/// stored there.
/// </summary>
internal sealed class TarTree : FileTree
{
    private const int BlockSize = 512;
    private static readonly string[] endings = [".tar", ".tar.gz", ".tgz"];
    private readonly string path;
    private readonly string folder;
    private readonly Dictionary<string, ReadOnlyMemory<byte>> contents;

    /// <summary>Opens the files below <paramref name="folder"/> of an archive; an empty folder stands for all of it.</summary>
    public TarTree(string path, string folder)
        : this(path, folder, Scan(path, folder))
    {
    }

    private TarTree(string path, string folder, Entries entries)
        : base(folder.Length == 0 ? path : $"{path}/{folder}", entries.Contents.Keys, entries.Folders) =>
        (this.path, this.folder, contents) = (path, folder, entries.Contents);

    public static bool IsArchiveName(string path) =>
        endings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    public override ReadOnlyMemory<byte> Read(string file) => contents[file];

    public override string Describe(string file) => $"{path}: {Join(folder, file)}";

    private static Entries Scan(string path, string folder)
    {
        var entries = new Entries(new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal), []);
        try
        {
            using var file = File.OpenRead(path);
            var compressed = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
            file.Position = 0;
            using var content = new BufferedStream(compressed ? new GZipStream(file, CompressionMode.Decompress) : file, 1 << 16);
            ReadEntries(content, folder, entries);
            ThrowIfEndIsMissing(file, compressed, content);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new InputException(
                $"{path} is cut short or damaged and cannot be read as an archive ({exception.Message.TrimEnd('.')}); get the file again.",
                exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }

        return entries.Contents.Count > 0 || entries.Folders.Count > 0
            ? entries
            : throw new InputException(folder.Length == 0 ? $"{path} is an archive without files." : $"{path} holds no folder {folder}.");
    }

    private static void ReadEntries(Stream content, string folder, Entries entries)
    {
        using var reader = new TarReader(content, leaveOpen: true);
        while (reader.GetNextEntry() is { } entry)
        {
            var name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
            name = name.TrimEnd('/');
            if (folder.Length > 0)
            {
                if (!name.StartsWith(folder + "/", StringComparison.Ordinal))
                {
                    continue;
                }

                name = name[(folder.Length + 1)..];
            }

            if (entry.EntryType is TarEntryType.Directory or TarEntryType.DirectoryList)
            {
                entries.Folders.Add(name);
            }
            else if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile)
            {
                var bytes = new byte[entry.Length];
                entry.DataStream?.ReadExactly(bytes);
                entries.Contents[name] = bytes;
            }
            else if (entry.EntryType is TarEntryType.HardLink or TarEntryType.SymbolicLink && ImageFile.HasImageName(name))
            {
                throw new InvalidDataException($"its entry {entry.Name} is a link, and only plain files are read");
            }
        }
    }

    /// <summary>
    /// The reader takes the end of the stream for the end of the archive; an archive that was cut between two entries shows only here.
    /// </summary>
    private static void ThrowIfEndIsMissing(FileStream file, bool compressed, Stream content)
    {
        if (compressed)
        {
            content.CopyTo(Stream.Null);
            return;
        }

        Span<byte> last = stackalloc byte[BlockSize];
        file.Seek(-Math.Min(BlockSize, file.Length), SeekOrigin.End);
        file.ReadExactly(last);
        if (last.ContainsAnyExcept((byte)0))
        {
            throw new EndOfStreamException("the end mark is missing");
        }
    }

    private readonly record struct Entries(Dictionary<string, ReadOnlyMemory<byte>> Contents, List<string> Folders);
}
