using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment.Scoring;

/// <summary>The images that paths name: files, folders, archives, folders in archives, and patterns. What a path lacks is said in the place of its images.</summary>
internal static class ImageInputs
{
    private const string Expected = "expected an image, a folder, or an archive (.tar, .tar.gz, .tgz).";

    /// <summary>The images in the order of the paths; those of a folder or an archive in ordinal order. A path is opened when its turn comes.</summary>
    public static IEnumerable<ImageInput> Of(IEnumerable<string> paths) => paths.SelectMany(Of);

    private static IEnumerable<ImageInput> Of(string path)
    {
        if (File.Exists(path) && !TarTree.IsArchiveName(path))
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
                : [ImageInput.Missing(path, $"{path} holds no images; expected files with the ending of a JPEG, PNG, BMP or WebP image.")];
        }
        catch (InputException exception)
        {
            return [ImageInput.Missing(path, exception.Message)];
        }
    }

    private static ReadOnlyMemory<byte> Read(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
