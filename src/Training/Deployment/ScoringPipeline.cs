using System.Collections;
using System.IO.Enumeration;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment;

/// <summary>Scores any number of images in the order in which they come: every core reads, decodes and scores a batch of its own.</summary>
internal static class ScoringPipeline
{
    // 64 images of 32 x 32 stay in a core's cache while they go through the network; of larger ones a batch has as many pixels.
    private const int LargestBatch = 64;
    private const int PixelsPerBatch = LargestBatch * 32 * 32;

    // To measure takes as long as about ten batches; the faster engine saves perhaps a third of each.
    private const int BatchesWorthMeasuring = 64;

    public static int BatchSize(ScoringModel model) => Math.Clamp(PixelsPerBatch / (model.ImageSize * model.ImageSize), 1, LargestBatch);

    /// <summary>The number of images from which on it pays to measure which engine is faster.</summary>
    public static int WorthMeasuring(ScoringModel model) => BatchesWorthMeasuring * BatchSize(model);

    /// <summary>Scores images, a batch of them at a time.</summary>
    /// <param name="model">The model, opened for <see cref="Environment.ProcessorCount"/> batches at one time.</param>
    /// <param name="inputs">The images.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public static IEnumerable<IReadOnlyList<ScoredImage>> Run(ScoringModel model, IEnumerable<ImageInput> inputs)
    {
        var chunks = new NumberedChunks<ImageInput>(inputs, BatchSize(model));
        var workers = Environment.ProcessorCount;
        using var batches = new Prefetcher<IReadOnlyList<ScoredImage>>(Score, 0, int.MaxValue, workers, depth: workers);
        while (batches.Next() is { Count: > 0 } batch)
        {
            yield return batch;
        }

        IReadOnlyList<ScoredImage> Score(int number)
        {
            using var batch = DecodedImages.Of(chunks.Take(number), model.ImageSize, model.Geometry);
            return batch.ScoreBy(model);
        }
    }
}

/// <summary>Cuts a sequence of unknown length into chunks that threads take by number, each number once, in any order.</summary>
internal sealed class NumberedChunks<T>(IEnumerable<T> items, int size)
{
    private readonly Lock gate = new();
    private readonly IEnumerator<T[]> chunks = items.Chunk(size).GetEnumerator();
    private readonly Dictionary<int, T[]> early = [];
    private int next;

    /// <summary>The chunk of a number; empty behind the end of the sequence.</summary>
    public T[] Take(int number)
    {
        lock (gate)
        {
            for (; next <= number; next++)
            {
                early.Add(next, chunks.MoveNext() ? chunks.Current : []);
            }

            return early.Remove(number, out var chunk) ? chunk : throw new InvalidOperationException($"Chunk {number} was taken before.");
        }
    }
}

/// <summary>Some images as the network takes them, and what is wrong with those that could not be read.</summary>
internal sealed class DecodedImages : IDisposable
{
    private readonly ImageInput[] inputs;
    private readonly PixelBlock pixels;
    private readonly string?[] errors;

    private DecodedImages(ImageInput[] inputs, int size, ImageGeometry geometry)
    {
        this.inputs = inputs;
        pixels = new PixelBlock(inputs.Length, size, size);
        using var decoder = new ImageDecoder();
        errors = [.. inputs.Select((input, i) => Decode(input, decoder, pixels.Writable(i), size, geometry))];
    }

    /// <summary>Reads and decodes images on the calling thread, resized and cropped like those of an evaluation.</summary>
    /// <param name="inputs">The images.</param>
    /// <param name="size">Rows and columns of the result.</param>
    /// <param name="geometry">How images become squares.</param>
    public static DecodedImages Of(ImageInput[] inputs, int size, ImageGeometry geometry) => new(inputs, size, geometry);

    /// <summary>Scores the images that could be read.</summary>
    /// <returns>All images in their order.</returns>
    public IReadOnlyList<ScoredImage> ScoreBy(ScoringModel model)
    {
        var noClass = new int[inputs.Length];
        Array.Fill(noClass, ImageSet.NoClass);
        string[] sources = [.. inputs.Select(input => input.Source)];
        var images = new ImageSet("images", pixels, noClass, [], sources);
        var scores = new Queue<ImageScore>(model.Score(images.Select(Enumerable.Range(0, inputs.Length).Where(i => errors[i] is null))));
        return [.. sources.Select((source, i) => new ScoredImage(source, errors[i] is null ? scores.Dequeue() : null, errors[i]))];
    }

    public void Dispose() => pixels.Dispose();

    private static string? Decode(ImageInput input, ImageDecoder decoder, Span<byte> target, int size, ImageGeometry geometry)
    {
        try
        {
            return decoder.Decode(input.Read().Span, target, size, geometry) is { } fault ? $"{input.Source} {fault}." : null;
        }
        catch (InputException exception)
        {
            return exception.Message;
        }
    }
}

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
