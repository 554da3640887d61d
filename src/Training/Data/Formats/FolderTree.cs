namespace Pascl.Training.Data.Formats;

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
