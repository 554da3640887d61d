using System.Collections;
using System.IO.Enumeration;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment;

/// <summary>The images that paths name: files, folders, archives, folders in archives, and patterns. What a path lacks is said in the place of its images.</summary>
internal static class ImageInputs
{
    private const string Expected = "expected an image, a folder, or an archive (.tar, .tar.gz, .tgz).";

    /// <summary>The images in the order of the paths; those of a folder or an archive in ordinal order. A path is opened when its turn comes.</summary>
    public static IEnumerable<ImageInput> Of(IEnumerable<string> paths) => paths.SelectMany(Of);

    private static IEnumerable<ImageInput> Of(string path)
    {
        if (File.Exists(path) && !TarTree.IsArchiveName(path) && !PackedTree.IsPack(path))
        {
            return [new ImageInput(path, () => Read(path))];
        }

        return GlobPattern.IsPattern(path) && !Path.Exists(path) ? Matching(path) : Below(path);
    }

    private static IEnumerable<ImageInput> Matching(string pattern)
    {
        var paths = GlobPattern.Match(pattern);
        return paths.Count > 0 ? paths.SelectMany(Of) : [ImageInput.Missing(pattern, $"{pattern} matches nothing; {Expected}")];
    }

    private static ImageInput[] Below(string path)
    {
        try
        {
            var tree = FileTree.Open(path, Expected);
            var names = tree.Files.Where(ImageFile.HasImageName);
            return names.Any()
                ? [.. names.Select(name => new ImageInput(tree.Describe(name), () => tree.Read(name)))]
                : [ImageInput.Missing(path, $"{path} holds no images; expected files with the ending of a JPEG, PNG, BMP, WebP or GIF image.")];
        }
        catch (InputException exception)
        {
            return [ImageInput.Missing(path, exception.Message)];
        }
    }

    private static ReadOnlyMemory<byte> Read(string path)
    {
        if (ImageFile.HasImageName(path))
        {
            return FolderTree.ReadFile(path);
        }

        try
        {
            // /dev/stdin, for example, which is no ordinary file.
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>Images of which some can be counted before they are scored. They are enumerated once, because an archive is read for it.</summary>
internal sealed class CountedInputs(IEnumerable<ImageInput> inputs) : IEnumerable<ImageInput>, IDisposable
{
    private readonly IEnumerator<ImageInput> rest = inputs.GetEnumerator();
    private readonly Queue<ImageInput> seen = [];

    /// <summary>Whether there are so many.</summary>
    public bool Has(int count)
    {
        while (seen.Count < count && rest.MoveNext())
        {
            seen.Enqueue(rest.Current);
        }

        return seen.Count >= count;
    }

    public IEnumerator<ImageInput> GetEnumerator()
    {
        while (seen.TryDequeue(out var input))
        {
            yield return input;
        }

        while (rest.MoveNext())
        {
            yield return rest.Current;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => rest.Dispose();
}

/// <summary>An image that is to be scored.</summary>
/// <param name="Source">Where it is, as the user would write it.</param>
/// <param name="Read">Reads its file; what cannot be read is an <see cref="InputException"/>.</param>
internal sealed record ImageInput(string Source, Func<ReadOnlyMemory<byte>> Read)
{
    /// <summary>What stands for an image that is not there: reading it says why.</summary>
    public static ImageInput Missing(string source, string sentence) => new(source, () => throw new InputException(sentence));
}

/// <summary>
/// Paths with wildcards, for shells that do not expand them and for lists too long for a command line: <c>*</c> and <c>?</c> within a name, <c>**</c> for any
/// number of folders. Microsoft.Extensions.FileSystemGlobbing has no <c>?</c> and gives no folders.
/// </summary>
internal static class GlobPattern
{
    private const string AnyFolders = "**";

    // A link to a folder above would never end.
    private static readonly EnumerationOptions withoutLinks = new() { AttributesToSkip = FileAttributes.ReparsePoint, RecurseSubdirectories = true };

    public static bool IsPattern(string path) => path.AsSpan().ContainsAny('*', '?');

    /// <summary>The files and folders that match, in ordinal order.</summary>
    public static IReadOnlyList<string> Match(string pattern)
    {
        IEnumerable<string> found = [Path.IsPathRooted(pattern) ? "/" : ""];
        foreach (var part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            found = found.SelectMany(folder => Step(folder, part));
        }

        return [.. found.Distinct().Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Step(string folder, string part)
    {
        if (part != AnyFolders && !IsPattern(part))
        {
            return Path.Combine(folder, part) is var path && Path.Exists(path) ? [path] : [];
        }

        var root = folder.Length == 0 ? "." : folder;
        return !Directory.Exists(root) ? []
            : part == AnyFolders ? Directory.EnumerateDirectories(root, "*", withoutLinks).Select(Shorten).Prepend(folder)
            : Directory.EnumerateFileSystemEntries(root).Where(path => FileSystemName.MatchesSimpleExpression(part, Path.GetFileName(path), false)).Select(Shorten);

        string Shorten(string path) => Path.Combine(folder, Path.GetRelativePath(root, path));
    }
}
