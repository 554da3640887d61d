using System.IO.Enumeration;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The files of a folder, of a tar archive, or of a folder inside a tar archive, under names with forward slashes in ordinal order.
/// Archives are read in place: their names are only names, and nothing is ever written.
/// </summary>
internal abstract class FileTree
{
    private const string Expected = "expected a folder, an archive (.tar, .tar.gz, .tgz), or a file .npy.";
    private HashSet<string>? fileSet;

    protected FileTree(string location, IEnumerable<string> files, IEnumerable<string> folders, IReadOnlyList<string> problems)
    {
        Location = location;
        Files = [.. files.Where(IsVisible).Order(StringComparer.Ordinal)];
        Folders = [.. folders.Where(IsVisible).Order(StringComparer.Ordinal)];
        Problems = problems;
    }

    /// <summary>The path as the user would write it.</summary>
    public string Location { get; }

    /// <summary>The files, relative to <see cref="Location"/>; hidden files of operating systems are left out.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>
    /// The folders, relative to <see cref="Location"/>, without a final slash; an archive may leave out folders that hold files.
    /// </summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>What was left out and why, one sentence for each: links that lead nowhere, or to what is read already.</summary>
    public IReadOnlyList<string> Problems { get; }

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
            if (File.Exists(archive) && archive == path && PackedTree.IsPack(path))
            {
                return PackedTree.OpenPack(path);
            }

            if (File.Exists(archive))
            {
                return TarTree.IsArchiveName(archive)
                    ? new TarTree(archive, path[archive.Length..].Trim('/'))
                    : throw new InputException(
                        FileKind.Of(archive) is { Group: FileGroup.Archive } kind
                            ? $"{archive} is {kind.Name}, which is not read; unpack it, or make a .tar of it."
                            : ListNames.IsList(archive) ? $"{archive} is a file that cannot be read as a data set by itself; if it is a list of images, say where its paths start from with --root."
                            : $"{archive} is a file that cannot be read as a data set; {expected}");
            }
        }

        throw new InputException(
            new FileInfo(path).LinkTarget is { } target
                ? $"{path} is a link to {target}, which is not there; {expected}"
                : $"{path} does not exist; {expected}");
    }

    public virtual bool Contains(string file) => (fileSet ??= new HashSet<string>(Files, StringComparer.Ordinal)).Contains(file);

    /// <summary>The bytes of a file.</summary>
    /// <exception cref="InputException">It cannot be read; the sentence names it.</exception>
    public abstract ReadOnlyMemory<byte> Read(string file);

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

    /// <summary>
    /// A path that a list or a link in <paramref name="folder"/> has, as a name of the tree: with forward slashes, without <c>.</c> and <c>..</c>; null where it leaves
    /// the tree.
    /// </summary>
    public string? Resolve(string folder, string path)
    {
        path = path.Replace('\\', '/');
        if (path.StartsWith('/'))
        {
            var root = Path.GetFullPath(Location) + "/";
            return path.StartsWith(root, StringComparison.Ordinal) ? Resolve("", path[root.Length..]) : null;
        }

        return Resolved(folder, path);
    }

    /// <summary>A path from a folder without <c>.</c> and <c>..</c>; null where it leaves the tree.</summary>
    protected static string? Resolved(string folder, string path)
    {
        var parts = new Stack<string>(folder.Split('/', StringSplitOptions.RemoveEmptyEntries));
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != "."))
        {
            if (part != "..")
            {
                parts.Push(part);
            }
            else if (!parts.TryPop(out _))
            {
                return null;
            }
        }

        return string.Join('/', parts.Reverse());
    }

    protected static bool IsVisible(string name) =>
        !NameOf(name).Equals("Thumbs.db", StringComparison.OrdinalIgnoreCase)
        && !name.Split('/').Any(part => part is "__MACOSX" || (part.StartsWith('.') && part is not (".." or ".")));
}

/// <summary>
/// The files of a folder on disk. Links are followed, but no folder is read twice: a link to a folder above would never end, and one to a folder beside would
/// count its images again.
/// </summary>
internal sealed class FolderTree : FileTree
{
    private static readonly EnumerationOptions everything = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };

    public FolderTree(string root)
        : this(root, new Walk(root))
    {
    }

    private FolderTree(string root, Walk found)
        : base(root, found.Files, found.Folders, found.Problems)
    {
    }

    /// <summary>
    /// The bytes of an ordinary file. A pipe or a device, on which a read may wait for ever, has no bytes by its size and is not opened.
    /// </summary>
    /// <exception cref="InputException">It cannot be read, or has no bytes.</exception>
    public static ReadOnlyMemory<byte> ReadFile(string path)
    {
        try
        {
            var link = new FileInfo(path);
            var file = link.LinkTarget is null ? link : (FileInfo)link.ResolveLinkTarget(returnFinalTarget: true)!;
            return !file.Exists && file != link ? throw new InputException($"{path} is a link to {link.LinkTarget}, which is not there.")
                : file.Length == 0 ? throw new InputException($"{path} is empty, or no ordinary file (a pipe, for example).")
                : File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    public override ReadOnlyMemory<byte> Read(string file) => ReadFile(Describe(file));

    public override string Describe(string file) => Path.Combine(Location, file);

    /// <summary>Everything below a folder.</summary>
    private sealed class Walk
    {
        private readonly Dictionary<string, string> visited = [];
        private readonly Queue<(string Name, string Path, string Target)> links = [];

        public Walk(string root)
        {
            Visit("", root, RealPath(root));

            // Folders themselves before links to them.
            while (links.TryDequeue(out var link))
            {
                Visit(link.Name, link.Path, link.Target);
            }
        }

        public List<string> Files { get; } = [];

        public List<string> Folders { get; } = [];

        public List<string> Problems { get; } = [];

        private void Visit(string name, string path, string real)
        {
            if (!visited.TryAdd(real, path))
            {
                Problems.Add($"{path} is a link to {visited[real]}, whose files are read already; it was left out.");
                return;
            }

            if (name.Length > 0)
            {
                Folders.Add(name);
            }

            foreach (var (child, isFolder, isLink) in Entries(path))
            {
                var (childName, childPath) = (Join(name, child), Path.Combine(path, child));
                if (!IsVisible(childName))
                {
                    continue;
                }

                if (isFolder && isLink)
                {
                    links.Enqueue((childName, childPath, RealPath(childPath)));
                }
                else if (isFolder)
                {
                    Visit(childName, childPath, Path.Combine(real, child));
                }
                else
                {
                    Files.Add(childName);
                    if (isLink && !ImageFile.HasImageName(child) && LeadsNowhere(childPath) is { } target)
                    {
                        Problems.Add($"{childPath} is a link to {target}, which is not there.");
                    }
                }
            }
        }

        private static (string Name, bool IsFolder, bool IsLink)[] Entries(string path)
        {
            try
            {
                var entries = new FileSystemEnumerable<(string Name, bool IsFolder, bool IsLink)>(
                    path, (ref FileSystemEntry entry) => (entry.FileName.ToString(), entry.IsDirectory, entry.Attributes.HasFlag(FileAttributes.ReparsePoint)), everything);
                return [.. entries.OrderBy(entry => entry.Name, StringComparer.Ordinal)];
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InputException($"The folder {path} cannot be read: {DurableFile.Reason(exception)}.", exception);
            }
        }

        private static string? LeadsNowhere(string path) =>
            new FileInfo(path).LinkTarget is { } target && !Path.Exists(Path.Combine(Path.GetDirectoryName(path)!, target)) ? target : null;

        // Every link on the way is resolved, so that a folder has one name only.
        private static string RealPath(string path)
        {
            var full = Path.GetFullPath(path);
            var real = Path.GetPathRoot(full)!;
            foreach (var part in full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
            {
                var next = new DirectoryInfo(Path.Combine(real, part));
                try
                {
                    real = next.LinkTarget is null ? next.FullName : RealPath(next.ResolveLinkTarget(returnFinalTarget: true)!.FullName);
                }
                catch (IOException)
                {
                    return next.FullName;
                }
            }

            return real;
        }
    }
}
