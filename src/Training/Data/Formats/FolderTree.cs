using System.IO.Enumeration;

namespace Pascl.Training.Data.Formats;

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
