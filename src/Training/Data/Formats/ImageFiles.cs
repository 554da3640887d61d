using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Pascl.Training.Data.Formats;

/// <summary>The image files of a tree as a set, in the order of the list: decoded on all cores into one block, or left where they are until an image is wanted.</summary>
internal static class ImageFiles
{
    private const int DefaultSize = 32;
    private const int LargestNaturalSize = 64;

    /// <summary>
    /// Reads the files. A file that cannot be read or decoded stops the run, or is left out and its sentence added to <paramref name="skipped"/>,
    /// as <see cref="ReadOptions.SkipBroken"/> says. Of files that are decoded later the headers are read; all of them are decoded now only where broken ones are to be left
    /// out, which must be known before the first batch.
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
        var reason = Allocation.ReasonToStream(files.Count, size, options);
        var pixels = reason is null ? Allocation.Of(files.Count, size, tree.Location) : null;
        var faults = new string?[files.Count];
        var hashes = new Int128[files.Count];

        // Break, not Stop: every file before the first broken one is still tried, so the message names the same file in every run.
        ForEachFile(files, (i, decoder, state) =>
        {
            var decodes = pixels is not null || options.SkipBroken;
            faults[i] = Check(tree, files[i], out hashes[i], file =>
                !decodes ? PictureCodec.Header(file.Span) is null ? decoder.DecodeWhole(file.Span, out _, out _) : null
                : pixels is not null ? decoder.Decode(file.Span, pixels.Writable(i), size, options.Geometry)
                : decoder.DecodeWhole(file.Span, out _, out _));
            if (faults[i] is not null && !options.SkipBroken)
            {
                state.Break();
            }
        });

        string[] sentences = [.. faults.OfType<string>()];
        if (sentences.Length > 0 && !options.SkipBroken)
        {
            throw new InputException(
                $"{sentences[0]} Expected {ImageFile.Kinds}; mend or remove it, or leave such files out with --skip-broken.");
        }

        foreach (var sentence in sentences)
        {
            skipped.Add(sentence);
        }

        int[] labels = [.. files.Select(file => file.Label)];
        string[] sources = [.. files.Select(file => tree.Describe(file.Name))];
        var all = pixels is null
            ? new ImageSet(name, new StreamedImages(tree, [.. files.Select(file => file.Name)], size, options.Geometry, reason!), labels, classNames, sources, hashes)
            : new ImageSet(name, pixels, labels, classNames, sources, hashes);
        return sentences.Length == 0 ? all : all.Select(Enumerable.Range(0, files.Count).Where(i => faults[i] is null));
    }

    /// <summary>What the headers of images say; files whose header cannot be read are not counted.</summary>
    public static ImageHeaders Headers(FileTree tree, IReadOnlyList<ImageFile> files)
    {
        var counts = new ConcurrentDictionary<(int Width, int Height), int>();
        var turned = 0;
        ForEachFile(files, (i, _, _) =>
        {
            if (Header(tree, files[i]) is { } header)
            {
                counts.AddOrUpdate((header.Width, header.Height), 1, (_, count) => count + 1);
                if (header.IsTurned)
                {
                    Interlocked.Increment(ref turned);
                }
            }
        });
        var sizes = counts.Select(pair => (pair.Key.Width, pair.Key.Height, Count: pair.Value));
        return new ImageHeaders([.. sizes.OrderByDescending(size => size.Count).ThenBy(size => size)], turned);
    }

    /// <summary>Does something with every file on all cores, each with a decoder of its thread.</summary>
    public static void ForEachFile(IReadOnlyList<ImageFile> files, Action<int, ImageDecoder, ParallelLoopState> action) => Parallel.For(
        0,
        files.Count,
        () => new ImageDecoder(),
        (i, state, decoder) =>
        {
            action(i, decoder, state);
            return decoder;
        },
        decoder => decoder.Dispose());

    private static string? Check(FileTree tree, ImageFile file, out Int128 hash, Func<ReadOnlyMemory<byte>, string?> fault)
    {
        hash = 0;
        try
        {
            var bytes = tree.Read(file.Name);
            hash = BitConverter.ToInt128(SHA256.HashData(bytes.Span));
            return fault(bytes) is { } sentence ? $"{tree.Describe(file.Name)} {sentence}." : null;
        }
        catch (InputException exception)
        {
            return exception.Message;
        }
    }

    private static (int Width, int Height, bool IsTurned)? Header(FileTree tree, ImageFile file)
    {
        try
        {
            return PictureCodec.Header(tree.Read(file.Name).Span);
        }
        catch (InputException)
        {
            return null;
        }
    }

    private static int NaturalSize(FileTree tree, IReadOnlyList<ImageFile> files) =>
        Headers(tree, files).Sizes is [var only] && only.Width == only.Height && only.Width <= LargestNaturalSize ? only.Width : DefaultSize;
}

/// <summary>What the headers of a part's images say.</summary>
/// <param name="Sizes">How many images are shown in each size, most frequent first.</param>
/// <param name="Turned">How many are turned or mirrored by EXIF.</param>
internal sealed record ImageHeaders(IReadOnlyList<(int Width, int Height, int Count)> Sizes, int Turned);

/// <summary>An image file of a tree and the class of the image, or <see cref="ImageSet.NoClass"/>.</summary>
internal readonly record struct ImageFile(string Name, int Label)
{
    /// <summary>What is read, for messages.</summary>
    public const string Kinds = "a JPEG, PNG, BMP, WebP or GIF image";

    private static readonly string[] endings = [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif"];

    private static readonly HashSet<string> unreadEndings = new(StringComparer.OrdinalIgnoreCase)
    {
        ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".svg", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".psd", ".ico", ".exr", ".hdr",
        ".dcm", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pcx", ".xcf", ".dib", ".apng",
    };

    public static bool HasImageName(string name) => endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether a file is a picture by its name, of a kind that is not read.</summary>
    public static bool HasUnreadName(string name) => unreadEndings.Contains(Path.GetExtension(name));

    /// <summary>How many of some files are pictures that are not read, by ending: <c>6 files .tif, 1 .heic</c>; null where there are none.</summary>
    public static string? CountUnread(IEnumerable<string> names)
    {
        var groups = names.Where(HasUnreadName).GroupBy(name => Path.GetExtension(name).ToLowerInvariant()).OrderByDescending(group => group.Count());
        var counts = string.Join(", ", groups.Select(group => $"{group.Count():N0} {group.Key}"));
        return counts.Length == 0 ? null : counts;
    }
}

/// <summary>
/// Image files that are decoded whenever an image is asked for, so that memory does not grow with their number. Several threads may ask at once; the same image is the same
/// bytes every time.
/// </summary>
internal sealed class StreamedImages
{
    private readonly FileTree tree;
    private readonly string[] names;
    private readonly ImageGeometry geometry;

    /// <summary>Refers to files of a tree.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="names">The files, each known to be readable by its header at least.</param>
    /// <param name="size">Rows and columns of every image.</param>
    /// <param name="geometry">How they become squares of that size.</param>
    /// <param name="reason">Why they are not held in memory.</param>
    public StreamedImages(FileTree tree, string[] names, int size, ImageGeometry geometry, string reason) =>
        (this.tree, this.names, Size, this.geometry, Reason) = (tree, names, size, geometry, reason);

    /// <summary>Why they are not held in memory, as a part of a sentence.</summary>
    public string Reason { get; }

    /// <summary>Number of images.</summary>
    public int Count => names.Length;

    /// <summary>Rows and columns of every image.</summary>
    public int Size { get; }

    /// <summary>Decodes an image to (Size, Size, 3) bytes.</summary>
    /// <exception cref="InputException">The file cannot be decoded; the sentence names it.</exception>
    public void Decode(int image, Span<byte> target)
    {
        using var decoder = DecoderPool.Rent();
        Require(image, decoder.Value.Decode(tree.Read(names[image]).Span, target, Size, geometry));
    }

    /// <summary>Decodes parts of a whole image, each to (Size, Size, 3) bytes.</summary>
    /// <param name="image">The image.</param>
    /// <param name="targets">(parts, Size, Size, 3).</param>
    /// <param name="boxOf">The box of a part, in a picture of a width and height.</param>
    /// <exception cref="InputException">The file cannot be decoded; the sentence names it.</exception>
    public void DecodeCrops(int image, Span<byte> targets, Func<int, int, int, CropBox> boxOf)
    {
        using var decoder = DecoderPool.Rent();
        Require(image, decoder.Value.DecodeCrops(tree.Read(names[image]).Span, targets, Size, boxOf));
    }

    private void Require(int image, string? fault)
    {
        if (fault is not null)
        {
            throw new InputException(
                $"{tree.Describe(names[image])} {fault}. Its header could be read when the run began; mend or remove it, or leave such files out with --skip-broken, which decodes "
                + "every file at the start.");
        }
    }
}

/// <summary>Decoders that wait for the next image: each keeps native buffers, and there are as many as threads decode at one time.</summary>
internal static class DecoderPool
{
    private static readonly ConcurrentBag<ImageDecoder> idle = [];

    /// <summary>A decoder until the result is disposed.</summary>
    public static Rental Rent() => new(idle.TryTake(out var decoder) ? decoder : new ImageDecoder());

    /// <summary>A decoder that goes back when this is disposed.</summary>
    public readonly ref struct Rental(ImageDecoder decoder)
    {
        /// <summary>The decoder.</summary>
        public ImageDecoder Value => decoder;

        /// <summary>Gives it back.</summary>
        public void Dispose() => idle.Add(decoder);
    }
}
