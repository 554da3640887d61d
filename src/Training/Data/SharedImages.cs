using System.Numerics;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>Images that two sets share.</summary>
/// <param name="First">Name of one set.</param>
/// <param name="Second">Name of the other.</param>
/// <param name="Same">Images of the second whose pixels are those of an image of the first.</param>
/// <param name="Similar">Others of the second that show the picture of an image of the first, stored anew.</param>
/// <param name="Example">One such image of each.</param>
internal sealed record SharedImages(string First, string Second, int Same, int Similar, (string First, string Second) Example)
{
    private const int HashRows = 8;
    private const int HashBits = 64;

    // Two hashes of 64 bits that differ in at most three agree in one of four bands of 16.
    private const int MostDifferentBits = 3;
    private const int BandBits = 16;

    // Flat pictures have one hash; beyond this number of a band they are not compared.
    private const int MostCandidates = 32;

    // Mean difference of a colour, of 255, that storing a picture anew as JPEG stays below and two pictures of one motif do not.
    private const int LargestMeanDifference = 6;

    /// <summary>Every pair of the sets that has images in common, all of one size: first those that are equal, then those whose perceptual hashes and pixels are close.</summary>
    public static IReadOnlyList<SharedImages> Find(IReadOnlyList<ImageSet> sets)
    {
        var indices = sets.Select(set => new Index(set)).ToList();
        var shared = new List<SharedImages>();
        for (var first = 0; first < indices.Count; first++)
        {
            for (var second = first + 1; second < indices.Count; second++)
            {
                if (Compare(indices[first], indices[second]) is { } found)
                {
                    shared.Add(found);
                }
            }
        }

        return shared;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        var counts = Same == 0 ? $"{Similar:N0} images of {Second} show nearly the same picture as one of {First}"
            : $"{Same:N0} images of {Second} are the same picture as one of {First}{(Similar > 0 ? $", and {Similar:N0} nearly" : "")}";
        return $"{counts}; for example {Example.First} and {Example.Second}.";
    }

    private static SharedImages? Compare(Index first, Index second)
    {
        var (smaller, larger) = first.Images.Count <= second.Images.Count ? (first, second) : (second, first);
        var matches = new (int Image, bool IsSame)[larger.Images.Count];
        Parallel.For(0, matches.Length, i => matches[i] = smaller.Find(larger, i));
        var (same, similar, example) = (new HashSet<int>(), new HashSet<int>(), (-1, -1));
        for (var i = 0; i < matches.Length; i++)
        {
            if (matches[i].Image >= 0)
            {
                var (ofFirst, ofSecond) = larger == second ? (matches[i].Image, i) : (i, matches[i].Image);
                (matches[i].IsSame ? same : similar).Add(ofSecond);
                example = example is (-1, -1) || (matches[i].IsSame && same.Count == 1) ? (ofFirst, ofSecond) : example;
            }
        }

        similar.ExceptWith(same);
        return same.Count + similar.Count == 0 ? null
            : new SharedImages(
                first.Images.Name, second.Images.Name, same.Count, similar.Count, (first.Images.Source(example.Item1), second.Images.Source(example.Item2)));
    }

    // Bit (y, x): whether cell x of row y is brighter than its neighbour to the right, of 9 x 8 cells of mean brightness (N. Krawetz, "Kind of Like That", 2013).
    private static ulong GradientHash(ReadOnlySpan<byte> pixels, int height, int width)
    {
        const int columns = HashRows + 1;
        Span<int> cells = stackalloc int[columns * HashRows];
        for (var cell = 0; cell < cells.Length; cell++)
        {
            var (top, bottom) = Range(cell / columns, HashRows, height);
            var (left, right) = Range(cell % columns, columns, width);
            var sum = 0L;
            for (var y = top; y < bottom; y++)
            {
                foreach (var colour in pixels.Slice(((y * width) + left) * PixelBlock.Channels, (right - left) * PixelBlock.Channels))
                {
                    sum += colour;
                }
            }

            cells[cell] = (int)(sum * HashBits / ((long)(bottom - top) * (right - left)));
        }

        var hash = 0UL;
        for (var bit = 0; bit < HashBits; bit++)
        {
            var left = (bit / HashRows * columns) + (bit % HashRows);
            hash |= cells[left] > cells[left + 1] ? 1UL << bit : 0;
        }

        return hash;

        static (int From, int To) Range(int cell, int cells, int length) =>
            (cell * length / cells, Math.Max((cell * length / cells) + 1, (cell + 1) * length / cells));
    }

    /// <summary>The hashes of a set, and its images by them.</summary>
    private sealed class Index
    {
        private readonly Int128[] exact;
        private readonly ulong[] gradient;
        private readonly Lazy<(Dictionary<Int128, int> Exact, Dictionary<int, List<int>> Bands)> byHash;

        public Index(ImageSet images)
        {
            Images = images;
            gradient = new ulong[images.Count];

            // Streamed images are decoded once for both hashes, and again where hashes are close.
            images.ForEach((i, pixels) => gradient[i] = GradientHash(pixels, images.Height, images.Width));
            exact = images.PixelHashes;
            byHash = new(Build);
        }

        public ImageSet Images { get; }

        /// <summary>The image of this set that shows the picture of another set's image, and whether its pixels are the same; -1 where none does.</summary>
        public (int Image, bool IsSame) Find(Index other, int image)
        {
            if (byHash.Value.Exact.TryGetValue(other.exact[image], out var same))
            {
                return (same, true);
            }

            var hash = other.gradient[image];
            if (IsFlat(hash))
            {
                return (-1, false);
            }

            for (var band = 0; band < HashBits / BandBits; band++)
            {
                if (byHash.Value.Bands.TryGetValue(Key(hash, band), out var candidates))
                {
                    foreach (var candidate in candidates)
                    {
                        if (BitOperations.PopCount(gradient[candidate] ^ hash) <= MostDifferentBits && AreClose(Images.Pixels(candidate), other.Images.Pixels(image)))
                        {
                            return (candidate, false);
                        }
                    }
                }
            }

            return (-1, false);
        }

        private (Dictionary<Int128, int> Exact, Dictionary<int, List<int>> Bands) Build()
        {
            var (byPixels, bands) = (new Dictionary<Int128, int>(), new Dictionary<int, List<int>>());
            for (var i = 0; i < exact.Length; i++)
            {
                byPixels.TryAdd(exact[i], i);
                for (var band = 0; band < HashBits / BandBits && !IsFlat(gradient[i]); band++)
                {
                    if (!bands.TryGetValue(Key(gradient[i], band), out var images))
                    {
                        bands[Key(gradient[i], band)] = images = [];
                    }

                    if (images.Count < MostCandidates)
                    {
                        images.Add(i);
                    }
                }
            }

            return (byPixels, bands);
        }

        // Of an even picture, or one that only grows darker or brighter, nothing is left in the hash.
        private static bool IsFlat(ulong hash) => BitOperations.PopCount(hash) is < BandBits / 2 or > HashBits - (BandBits / 2);

        private static int Key(ulong hash, int band) => (band << BandBits) | (int)((hash >> (band * BandBits)) & ushort.MaxValue);

        private static bool AreClose(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            var sum = 0L;
            for (var i = 0; i < first.Length; i++)
            {
                sum += Math.Abs(first[i] - second[i]);
            }

            return first.Length == second.Length && sum <= (long)LargestMeanDifference * first.Length;
        }
    }
}

/// <summary>What a path holds and what is wrong with it, found by reading every image.</summary>
/// <param name="Format">The format in words.</param>
/// <param name="ClassNames">The classes, in label order.</param>
/// <param name="Parts">The parts: training and test, or the sets of a collection.</param>
/// <param name="Problems">One sentence for each.</param>
internal sealed record DatasetCheck(
    string Format, IReadOnlyList<string> ClassNames, IReadOnlyList<DatasetCheck.Part> Parts, IReadOnlyList<string> Problems)
{
    /// <summary>How the layout was understood, and what else is to be known of the images.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Duplicates beyond this number are counted, not listed.</summary>
    private const int ListedDuplicates = 5;

    /// <summary>What the data set may serve as.</summary>
    public required string UsableAs { get; init; }

    /// <summary>Reads everything at a path.</summary>
    /// <param name="path">The data set.</param>
    /// <param name="root">What the paths of a list start from; null where they start beside it.</param>
    /// <exception cref="InputException">The path cannot be used at all.</exception>
    public static DatasetCheck Run(string path, string? root = null) => Run(path, root, imageSize: null);

    /// <summary>Images that several data sets share, one sentence for each pair of them that does; all are read at one size.</summary>
    public static IReadOnlyList<string> Shared(IReadOnlyList<(string Path, DatasetCheck Check)> checks)
    {
        var size = checks[0].Check.Parts.Select(part => part.Images.Height).FirstOrDefault();
        var sets = checks.SelectMany(check => (check.Check.Parts.Any(part => part.Images.Height != size) ? Run(check.Path, root: null, size) : check.Check).Parts
            .Select(part => part.Images.Named(check.Check.Parts.Count == 1 ? check.Path : $"{check.Path} ({part.Name})")));
        return [.. SharedImages.Find([.. sets]).Select(shared => shared.ToString())];
    }

    private static DatasetCheck Run(string path, string? root, int? imageSize)
    {
        var dataset = Dataset.Open(path, root);
        var problems = dataset.Problems.ToList();
        Part[] parts = [.. dataset.Parts.Select(part => ReadPart(dataset, part, imageSize, problems))];
        if (parts.All(part => part.Images.Count == 0))
        {
            throw new InputException($"{path} holds no image that can be read. {problems[0]}");
        }

        if (!dataset.IsCollection)
        {
            problems.AddRange(parts.SelectMany(EmptyClasses));
        }

        problems.AddRange(Duplicates(parts));
        return new DatasetCheck(dataset.Format, dataset.ClassNames, parts, problems)
        {
            UsableAs = Uses(dataset, parts),
            Notes = [.. dataset.Notes, .. dataset.Parts.SelectMany(dataset.Remarks)],
        };
    }

    private static Part ReadPart(Dataset dataset, string part, int? imageSize, List<string> problems) =>
        new(part, dataset.Read(part, part, new ReadOptions(imageSize, SkipBroken: true), problems), dataset.Sizes(part));

    private static IEnumerable<string> EmptyClasses(Part part) =>
        from count in part.Images.CountPerClass().Index()
        where count.Item == 0
        select $"Class {part.Images.ClassNames[count.Index]} has no images in the part {part.Name}.";

    private static IEnumerable<string> Duplicates(Part[] parts)
    {
        var sourceOfHash = new Dictionary<Int128, string>();
        var count = 0;
        foreach (var images in parts.Select(part => part.Images))
        {
            foreach (var (i, hash) in images.PixelHashes.Index())
            {
                if (!sourceOfHash.TryAdd(hash, images.Source(i)) && ++count <= ListedDuplicates)
                {
                    yield return $"{images.Source(i)} shows the same picture as {sourceOfHash[hash]}.";
                }
            }
        }

        if (count > ListedDuplicates)
        {
            yield return $"{count - ListedDuplicates:N0} more images show the same picture as another.";
        }
    }

    private static string Uses(Dataset dataset, Part[] parts)
    {
        var training = parts.FirstOrDefault(part => part.Name == Dataset.TrainPart)?.Images;
        return dataset.IsCollection || training is null ? "out-of-distribution test images"
            : dataset.ClassNames.Count < 2 || training.CountPerClass().Contains(0) ? "outliers, or out-of-distribution test images"
            : "in-distribution classes, outliers, or out-of-distribution test images";
    }

    /// <summary>One part of the data set.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Images">Its images that could be read.</param>
    /// <param name="Sizes">How many images are stored in each size, most frequent first.</param>
    internal sealed record Part(string Name, ImageSet Images, IReadOnlyList<(int Width, int Height, int Count)> Sizes);
}
