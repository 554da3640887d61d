using System.Formats.Tar;
using System.IO.Compression;
using Microsoft.Win32.SafeHandles;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The files of a tar archive, plain or compressed with gzip. The archive is streamed once for its names. Those of its files that a data set may consist of are read where they
/// lie in a plain archive; from a compressed one they are kept in memory as they are stored there.
/// </summary>
internal sealed class TarTree : FileTree
{
    private const int BlockSize = 512;
    private const int LargestRatio = 1032;
    private static readonly string[] endings = [".tar", ".tar.gz", ".tgz"];

    // Beside images: lists, arrays, and the files of CIFAR, some of which have no ending.
    private static readonly string[] keptEndings = ["", ".txt", ".csv", ".tsv", ".json", ".npy", ".bin", ".meta"];

    private readonly string path;
    private readonly string folder;
    private readonly Dictionary<string, Content> contents;
    private readonly SafeFileHandle? file;

    /// <summary>Opens the files below <paramref name="folder"/> of an archive; an empty folder stands for all of it.</summary>
    public TarTree(string path, string folder)
        : this(path, folder, Scan(path, folder))
    {
    }

    private TarTree(string path, string folder, Entries entries)
        : base(folder.Length == 0 ? path : $"{path}/{folder}", entries.Contents.Keys.Concat(entries.NotKept), entries.Folders, entries.Problems) =>
        (this.path, this.folder, contents, file) = (path, folder, entries.Contents, entries.File);

    public static bool IsArchiveName(string path) =>
        endings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    public override ReadOnlyMemory<byte> Read(string file)
    {
        if (!contents.TryGetValue(file, out var content))
        {
            throw new InputException($"{Describe(file)} is no file of a data set and was not read.");
        }

        if (content.Bytes is { } known)
        {
            return known;
        }

        try
        {
            var bytes = new byte[content.Length];
            for (var read = 0; read < bytes.Length;)
            {
                read += RandomAccess.Read(this.file!, bytes.AsSpan(read), content.Offset + read) is > 0 and var count ? count
                    : throw new InputException($"{Describe(file)} cannot be read: the archive was cut since it was opened.");
            }

            return bytes;
        }
        catch (IOException exception)
        {
            throw new InputException($"{Describe(file)} cannot be read: {exception.Message}", exception);
        }
    }

    public override string Describe(string file) => $"{path}: {Join(folder, file)}";

    private static Entries Scan(string path, string folder)
    {
        var entries = new Entries(folder);
        try
        {
            using var file = File.OpenRead(path);
            var kind = FileKind.Of(path);
            var compressed = kind == FileKind.Gzip;
            if (!compressed && kind is { Group: FileGroup.Archive } && kind != FileKind.Tar)
            {
                throw new InputException($"{path} is {kind.Name}, in spite of its name; unpack it, or make a .tar or .tar.gz of what it holds.");
            }

            using var content = new BufferedStream(compressed ? new GZipStream(file, CompressionMode.Decompress) : file, 1 << 16);

            // Deflate makes at most 1,032 bytes of one, so that no small file can claim much memory.
            entries.Read(content, path, compressed ? file.Length * LargestRatio : file.Length);
            ThrowIfEndIsMissing(file, compressed, content);
            entries.File = compressed ? null : File.OpenHandle(path);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or FormatException or OverflowException or ArgumentException)
        {
            var reason = exception.Message.TrimEnd('.');
            throw new InputException(
                entries.IsBegun ? $"{path} is cut short or damaged and cannot be read as an archive ({reason}); get the file again."
                : $"{path} is cut short or damaged, or no tar archive in spite of its name ({reason}).",
                exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }

        entries.ResolveLinks();
        return entries.Contents.Count > 0 || entries.Folders.Count > 0 || entries.NotKept.Count > 0 || entries.Problems.Count > 0
            ? entries
            : throw new InputException(folder.Length == 0 ? $"{path} is an archive without files, or no tar archive in spite of its name." : $"{path} holds no folder {folder}.");
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

    /// <summary>A file of the archive: its bytes, or where they lie.</summary>
    private readonly record struct Content(byte[]? Bytes, long Offset, int Length);

    /// <summary>What an archive holds below a folder.</summary>
    private sealed class Entries(string folder)
    {
        // The target is null where it lies outside.
        private readonly List<(string Name, string? Target, string Text)> links = [];
        private readonly long mostKept = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        private long kept;

        public Dictionary<string, Content> Contents { get; } = new(StringComparer.Ordinal);

        /// <summary>The archive, open to be read in place; null for a compressed one.</summary>
        public SafeFileHandle? File { get; set; }

        public List<string> NotKept { get; } = [];

        public List<string> Folders { get; } = [];

        public List<string> Problems { get; } = [];

        /// <summary>Whether at least one entry could be read.</summary>
        public bool IsBegun { get; private set; }

        public void Read(Stream content, string path, long mostBytes)
        {
            using var reader = new TarReader(content, leaveOpen: true);
            while (reader.GetNextEntry() is { } entry)
            {
                IsBegun = true;
                if (BelowFolder(Plain(entry.Name)) is { } name)
                {
                    Add(entry, name, path, mostBytes);
                }
            }
        }

        // A hard link names an entry of the archive; a symbolic one names a path from the folder that it lies in.
        public void ResolveLinks()
        {
            for (var isProgress = true; isProgress;)
            {
                var resolved = links.FindAll(link => link.Target is not null && Contents.ContainsKey(link.Target));
                resolved.ForEach(link => Contents[link.Name] = Contents[link.Target!]);
                isProgress = links.RemoveAll(resolved.Contains) > 0;
            }

            foreach (var (name, _, text) in links)
            {
                Problems.Add($"{Join(folder, name)} is a link to {text}, which is no image of the archive{(folder.Length == 0 ? "" : $" below {folder}")}; it was left out.");
            }
        }

        private void Add(TarEntry entry, string name, string path, long mostBytes)
        {
            switch (entry.EntryType)
            {
                case TarEntryType.Directory or TarEntryType.DirectoryList:
                    Folders.Add(name);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile when !IsOfUse(name):
                    NotKept.Add(name);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                    Contents[name] = Located(entry, path, mostBytes);
                    break;
                case TarEntryType.HardLink when IsOfUse(name):
                    links.Add((name, BelowFolder(Plain(entry.LinkName)), entry.LinkName));
                    break;
                case TarEntryType.SymbolicLink when IsOfUse(name):
                    links.Add((name, entry.LinkName.StartsWith('/') ? null : Resolved(FolderOf(name), entry.LinkName), entry.LinkName));
                    break;
            }
        }

        private Content Located(TarEntry entry, string path, long mostBytes)
        {
            if (entry.Length > Array.MaxLength)
            {
                throw new InputException($"{path} holds {entry.Name} of {entry.Length >> 20:N0} MiB, more than can be read from an archive; unpack it.");
            }

            if (entry.Length > mostBytes)
            {
                throw new InvalidDataException($"its entry {entry.Name} claims {entry.Length} bytes");
            }

            // Only an archive that is not compressed says where an entry begins.
            if (entry.DataOffset >= 0)
            {
                return new Content(null, entry.DataOffset, (int)entry.Length);
            }

            kept += entry.Length;
            if (kept > mostKept)
            {
                throw new InputException(
                    $"{path} holds files of more than {mostKept >> 20:N0} MiB, half of this machine's memory, in which a compressed archive is kept; unpack it, or decompress it to a .tar.");
            }

            var bytes = new byte[entry.Length];
            entry.DataStream?.ReadExactly(bytes);
            return new Content(bytes, 0, bytes.Length);
        }

        private string? BelowFolder(string name) =>
            folder.Length == 0 ? name : name.StartsWith(folder + "/", StringComparison.Ordinal) ? name[(folder.Length + 1)..] : null;

        private static bool IsOfUse(string name) => ImageFile.HasImageName(name) || keptEndings.Contains(Path.GetExtension(name).ToLowerInvariant());

        private static string Plain(string name) => (name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name).TrimEnd('/');
    }
}
