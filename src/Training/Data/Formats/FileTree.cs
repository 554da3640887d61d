using System.Formats.Tar;
using System.IO.Compression;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The files of a folder, of a tar archive, or of a folder inside a tar archive, under names with forward slashes in ordinal order.
/// Archives are read in place: their names are only names, and nothing is ever written.
/// </summary>
internal abstract class FileTree
{
    private const string Expected = "expected a folder, an archive (.tar, .tar.gz, .tgz), or a file .npy.";
    private HashSet<string>? fileSet;

    protected FileTree(string location, IEnumerable<string> files, IEnumerable<string> folders)
    {
        Location = location;
        Files = [.. files.Where(IsVisible).Order(StringComparer.Ordinal)];
        Folders = [.. folders.Where(IsVisible).Order(StringComparer.Ordinal)];
    }

    /// <summary>The path as the user would write it.</summary>
    public string Location { get; }

    /// <summary>The files, relative to <see cref="Location"/>; hidden files of operating systems are left out.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>
    /// The folders, relative to <see cref="Location"/>, without a final slash; an archive may leave out folders that hold files.
    /// </summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>Opens a folder, an archive, or <c>ARCHIVE/inner/folder</c>.</summary>
    /// <param name="path">The path.</param>
    /// <param name="expected">What was expected, the end of the sentence that says that the path is nothing of that kind.</param>
    public static FileTree Open(string path, string expected = Expected)
    {
        if (Directory.Exists(path))
        {
            return new FolderTree(path);
        }

        for (var archive = path; !string.IsNullOrEmpty(archive); archive = Path.GetDirectoryName(archive))
        {
            if (File.Exists(archive))
            {
                return TarTree.IsArchiveName(archive)
                    ? new TarTree(archive, path[archive.Length..].Trim('/'))
                    : throw new InputException(
                        $"{archive} is a file that cannot be read as a data set; {expected}");
            }
        }

        throw new InputException($"{path} does not exist; {expected}");
    }

    public bool Contains(string file) => (fileSet ??= new HashSet<string>(Files, StringComparer.Ordinal)).Contains(file);

    /// <summary>The bytes of a file.</summary>
    public abstract ReadOnlyMemory<byte> Read(string file);

    /// <summary>The lines of a text file.</summary>
    public string[] ReadLines(string file)
    {
        using var reader = new StreamReader(new MemoryStream(Read(file).ToArray()));
        return reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
    }

    /// <summary>How messages name a file of the tree.</summary>
    public abstract string Describe(string file);

    /// <summary>The part of a name before its last slash, empty for a file at the root.</summary>
    public static string FolderOf(string file) => file[..Math.Max(0, file.LastIndexOf('/'))];

    /// <summary>The part of a name after its last slash.</summary>
    public static string NameOf(string file) => file[(file.LastIndexOf('/') + 1)..];

    /// <summary>Joins a folder (possibly empty) and a name.</summary>
    public static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    private static bool IsVisible(string name) =>
        !NameOf(name).Equals("Thumbs.db", StringComparison.OrdinalIgnoreCase)
        && !name.Split('/').Any(part => part is "__MACOSX" || (part.StartsWith('.') && part is not (".." or ".")));
}

/// <summary>The files of a folder on disk.</summary>
internal sealed class FolderTree(string root)
    : FileTree(root, List(root, Directory.EnumerateFiles), List(root, Directory.EnumerateDirectories))
{
    private static readonly EnumerationOptions everything = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None };

    public override ReadOnlyMemory<byte> Read(string file)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(Location, file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{Describe(file)} cannot be read: {exception.Message}", exception);
        }
    }

    public override string Describe(string file) => Path.Combine(Location, file);

    private static IEnumerable<string> List(string root, Func<string, string, EnumerationOptions, IEnumerable<string>> enumerate) =>
        enumerate(root, "*", everything).Select(path => Path.GetRelativePath(root, path).Replace(Path.DirectorySeparatorChar, '/'));
}

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
