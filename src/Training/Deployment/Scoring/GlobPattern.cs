using System.IO.Enumeration;

namespace Pascl.Training.Deployment.Scoring;

/// <summary>
/// Paths with wildcards, for shells that do not expand them and for lists too long for a command line: <c>*</c> and <c>?</c> within a name, <c>**</c> for any
/// number of folders.
/// </summary>
internal static class GlobPattern
{
    private const string AnyFolders = "**";

    // A link to a folder above would never end.
    private static readonly EnumerationOptions withoutLinks = new() { AttributesToSkip = FileAttributes.ReparsePoint, RecurseSubdirectories = true };

    /// <summary>Whether a path has a wildcard.</summary>
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
