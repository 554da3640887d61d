using System.Collections.Concurrent;

namespace Pascl.Training.Data.Formats;

/// <summary>Decodes the image files of a tree on all cores into one block, in the order of the list.</summary>
internal static class ImageFiles
{
    private const int DefaultSize = 32;
    private const int LargestNaturalSize = 64;

    /// <summary>
    /// Reads the files. A file that cannot be decoded stops the run, or is left out and its sentence added to <paramref name="skipped"/>,
    /// as <see cref="ReadOptions.SkipBroken"/> says.
    /// </summary>
    public static ImageSet Read(
        string name,
        FileTree tree,
        IReadOnlyList<ImageFile> files,
        IReadOnlyList<string> classNames,
        ReadOptions options,
        ICollection<string> skipped)
    {
        var size = options.ImageSize ?? NaturalSize(tree, files);
        var pixels = Allocation.Of(files.Count, size, tree.Location);
        var faults = new string?[files.Count];

        // Break, not Stop: every file before the first broken one is still tried, so the message names the same file in every run.
        ForEachFile(tree, files, (i, bytes, decoder, state) =>
        {
            faults[i] = decoder.Decode(bytes, pixels.Writable(i), size);
            if (faults[i] is not null && !options.SkipBroken)
            {
                state.Break();
            }
        });

        string[] sources = [.. files.Select(file => tree.Describe(file.Name))];
        var broken = faults.Index().Where(fault => fault.Item is not null);
        string[] sentences = [.. broken.Select(fault => $"{sources[fault.Index]} {fault.Item}.")];
        if (sentences.Length > 0 && !options.SkipBroken)
        {
            throw new InputException(
                $"{sentences[0]} Expected a JPEG, PNG, BMP or WebP image; mend or remove it, or leave such files out with --skip-broken.");
        }

        foreach (var sentence in sentences)
        {
            skipped.Add(sentence);
        }

        var all = new ImageSet(name, pixels, [.. files.Select(file => file.Label)], classNames, sources);
        return sentences.Length == 0 ? all : all.Select(Enumerable.Range(0, files.Count).Where(i => faults[i] is null));
    }

    /// <summary>How many images have each size, most frequent first; files whose header cannot be read are not counted.</summary>
    public static IReadOnlyList<(int Width, int Height, int Count)> Sizes(FileTree tree, IReadOnlyList<ImageFile> files)
    {
        var counts = new ConcurrentDictionary<(int Width, int Height), int>();
        ForEachFile(tree, files, (_, bytes, _, _) =>
        {
            if (ImageDecoder.Size(bytes) is { } size)
            {
                counts.AddOrUpdate(size, 1, (_, count) => count + 1);
            }
        });
        var sizes = counts.Select(pair => (pair.Key.Width, pair.Key.Height, Count: pair.Value));
        return [.. sizes.OrderByDescending(size => size.Count).ThenBy(size => size)];
    }

    private static int NaturalSize(FileTree tree, IReadOnlyList<ImageFile> files) =>
        Sizes(tree, files) is [var only] && only.Width == only.Height && only.Width <= LargestNaturalSize ? only.Width : DefaultSize;

    private static void ForEachFile(FileTree tree, IReadOnlyList<ImageFile> files, FileAction action)
    {
        try
        {
            Parallel.For(
                0,
                files.Count,
                () => new ImageDecoder(),
                (i, state, decoder) =>
                {
                    action(i, tree.Read(files[i].Name).Span, decoder, state);
                    return decoder;
                },
                decoder => decoder.Dispose());
        }
        catch (AggregateException exception) when (exception.InnerExceptions.OfType<InputException>().FirstOrDefault() is { } first)
        {
            throw first;
        }
    }

    private delegate void FileAction(int index, ReadOnlySpan<byte> bytes, ImageDecoder decoder, ParallelLoopState state);
}

/// <summary>An image file of a tree and the class of the image, or <see cref="ImageSet.NoClass"/>.</summary>
internal readonly record struct ImageFile(string Name, int Label)
{
    private static readonly string[] endings = [".jpg", ".jpeg", ".png", ".bmp", ".webp"];

    public static bool HasImageName(string name) => endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
}
