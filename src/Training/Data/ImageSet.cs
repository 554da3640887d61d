using System.Security.Cryptography;

namespace Pascl.Training.Data;

/// <summary>
/// Images of one size with a label each. A label is a class index, or <see cref="NoClass"/> for an image of no class (outliers, out-of-distribution images).
/// A selection shares the pixels of the set it was taken from.
/// </summary>
public sealed class ImageSet
{
    /// <summary>The label of an image that shows none of the classes.</summary>
    public const int NoClass = -1;

    private readonly PixelBlock pixels;
    private readonly int[] positions;
    private readonly int[] labels;
    private readonly IReadOnlyList<string>? sources;
    private Int128[]? pixelHashes;

    /// <summary>Creates the set of all images in a block.</summary>
    /// <param name="name">Short name for tables and messages, for example <c>svhn</c>.</param>
    /// <param name="pixels">The images.</param>
    /// <param name="labels">The class of every image, from 0; <see cref="NoClass"/> where it shows none.</param>
    /// <param name="classNames">Class names in label order; empty for a set without classes.</param>
    /// <param name="sources">Where each image came from (a path, or archive and entry), for messages and reports.</param>
    public ImageSet(string name, PixelBlock pixels, int[] labels, IReadOnlyList<string> classNames, IReadOnlyList<string>? sources = null)
        : this(name, pixels, [.. Enumerable.Range(0, pixels.Count)], labels, classNames, sources)
    {
        if (labels.Length != pixels.Count || (sources is not null && sources.Count != pixels.Count))
        {
            throw new ArgumentException($"{name} has {pixels.Count} images but {labels.Length} labels; there must be one per image.");
        }
    }

    private ImageSet(string name, PixelBlock pixels, int[] positions, int[] labels, IReadOnlyList<string> classNames, IReadOnlyList<string>? sources) =>
        (Name, this.pixels, this.positions, this.labels, ClassNames, this.sources) = (name, pixels, positions, labels, classNames, sources);

    /// <summary>Short name for tables and messages.</summary>
    public string Name { get; }

    /// <summary>Class names in label order.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Number of classes.</summary>
    public int ClassCount => ClassNames.Count;

    /// <summary>Number of images.</summary>
    public int Count => positions.Length;

    /// <summary>Rows of every image, in pixels.</summary>
    public int Height => pixels.Height;

    /// <summary>Columns of every image, in pixels.</summary>
    public int Width => pixels.Width;

    /// <summary>The class of every image, from 0; <see cref="NoClass"/> where it shows none.</summary>
    public ReadOnlySpan<int> Labels => labels;

    /// <summary>The bytes of image <paramref name="index"/>, (Height, Width, 3).</summary>
    public ReadOnlySpan<byte> Pixels(int index) => pixels[positions[index]];

    /// <summary>Where image <paramref name="index"/> came from, or its number where that is not known.</summary>
    public string Source(int index) => sources?[positions[index]] ?? $"{Name}[{positions[index]}]";

    /// <summary>The features that a frozen network gave the images, which training and evaluation then take in the place of their pixels; null where there are none.</summary>
    internal FeatureRows? Features { get; private init; }

    /// <summary>The same images with features.</summary>
    internal ImageSet WithFeatures(FeatureRows? features) =>
        new(Name, pixels, positions, labels, ClassNames, sources) { pixelHashes = pixelHashes, Features = features };

    /// <summary>Number of images per class.</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassCount];
        foreach (var label in labels)
        {
            if (label != NoClass)
            {
                counts[label]++;
            }
        }

        return counts;
    }

    /// <summary>The images at <paramref name="indices"/>, in that order, as a set of the same classes that shares the pixels.</summary>
    public ImageSet Select(IEnumerable<int> indices)
    {
        int[] chosen = [.. indices];
        return new ImageSet(Name, pixels, [.. chosen.Select(i => positions[i])], [.. chosen.Select(i => labels[i])], ClassNames, sources) { Features = Features?.Select(chosen) };
    }

    /// <summary>The same images under another name.</summary>
    public ImageSet Named(string name) => name == Name ? this : new ImageSet(name, pixels, positions, labels, ClassNames, sources) { pixelHashes = PixelHashes, Features = Features };

    /// <summary>The 128-bit hash of each image's pixels, computed when it is first asked for: a run needs them for its fingerprint and to find images that sets share.</summary>
    internal Int128[] PixelHashes
    {
        get
        {
            if (pixelHashes is null)
            {
                // Half of a SHA-256 is plenty: two of a million different images agree in it with a probability of 1e-27.
                var hashes = new Int128[Count];
                Parallel.For(0, Count, i => hashes[i] = BitConverter.ToInt128(SHA256.HashData(Pixels(i))));
                pixelHashes = hashes;
            }

            return pixelHashes;
        }
    }

    /// <summary>The same images with the labels that their classes have in another list of names, which must hold them all.</summary>
    public ImageSet WithClasses(IReadOnlyList<string> classNames)
    {
        int[] label = [.. ClassNames.Select(name => classNames.Index().First(other => other.Item == name).Index)];
        return new ImageSet(Name, pixels, positions, [.. labels.Select(old => old == NoClass ? NoClass : label[old])], classNames, sources) { Features = Features };
    }

    /// <summary>The same images without classes: every label is <see cref="NoClass"/>.</summary>
    public ImageSet WithoutClasses()
    {
        var noClass = new int[Count];
        Array.Fill(noClass, NoClass);
        return new ImageSet(Name, pixels, positions, noClass, [], sources) { Features = Features };
    }
}
