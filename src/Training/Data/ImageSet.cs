using System.Security.Cryptography;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>
/// Images of one size with a label each. A label is a class index, or <see cref="NoClass"/> for an image of no class (outliers, out-of-distribution images). The pixels are
/// those of a block, or are decoded from files whenever they are asked for. A selection shares them with the set it was taken from.
/// </summary>
public sealed class ImageSet : LabelledSet
{
    /// <summary>The label of an image that shows none of the classes.</summary>
    public new const int NoClass = LabelledSet.NoClass;

    private readonly Storage storage;
    private readonly int[] positions;
    private Int128[]? pixelHashes;

    /// <summary>Creates the set of all images in a block.</summary>
    /// <param name="name">Short name for tables and messages, for example <c>svhn</c>.</param>
    /// <param name="pixels">The images.</param>
    /// <param name="labels">The class of every image, from 0; <see cref="NoClass"/> where it shows none.</param>
    /// <param name="classNames">Class names in label order; empty for a set without classes.</param>
    /// <param name="sources">Where each image came from (a path, or archive and entry), for messages and reports.</param>
    public ImageSet(string name, PixelBlock pixels, int[] labels, IReadOnlyList<string> classNames, IReadOnlyList<string>? sources = null)
        : this(name, new Storage(pixels, null, sources, null), labels, classNames)
    {
    }

    /// <summary>Creates the set of images that were decoded from files.</summary>
    internal ImageSet(string name, PixelBlock pixels, int[] labels, IReadOnlyList<string> classNames, IReadOnlyList<string> sources, Int128[] fileHashes)
        : this(name, new Storage(pixels, null, sources, fileHashes), labels, classNames)
    {
    }

    /// <summary>Creates the set of images that are decoded whenever they are asked for.</summary>
    internal ImageSet(string name, StreamedImages files, int[] labels, IReadOnlyList<string> classNames, IReadOnlyList<string> sources, Int128[] fileHashes)
        : this(name, new Storage(null, files, sources, fileHashes), labels, classNames)
    {
    }

    private ImageSet(string name, Storage storage, int[] labels, IReadOnlyList<string> classNames)
        : this(name, storage, [.. Enumerable.Range(0, storage.Count)], labels, classNames)
    {
        if (labels.Length != storage.Count || (storage.Sources is { } sources && sources.Count != storage.Count))
        {
            throw new ArgumentException($"{name} has {storage.Count} images but {labels.Length} labels; there must be one per image.");
        }
    }

    private ImageSet(string name, Storage storage, int[] positions, int[] labels, IReadOnlyList<string> classNames)
        : base(name, labels, classNames) => (this.storage, this.positions) = (storage, positions);

    /// <summary>Rows of every image, in pixels.</summary>
    public int Height => storage.Pixels?.Height ?? storage.Files!.Size;

    /// <summary>Columns of every image, in pixels.</summary>
    public int Width => storage.Pixels?.Width ?? storage.Files!.Size;

    /// <summary>Whether images are decoded whenever they are asked for, which costs time, instead of being held in memory.</summary>
    public bool IsStreamed => storage.Files is not null;

    /// <summary>Why images are not held in memory, as a part of a sentence; null where they are.</summary>
    internal string? ReasonToStream => storage.Files?.Reason;

    /// <summary>The bytes of image <paramref name="index"/>, (Height, Width, 3). Where images are streamed, every call decodes a file; <see cref="Read"/> allocates nothing.</summary>
    /// <exception cref="InputException">The file of a streamed image cannot be decoded any more.</exception>
    public ReadOnlySpan<byte> Pixels(int index)
    {
        if (storage.Pixels is { } pixels)
        {
            return pixels[positions[index]];
        }

        var decoded = new byte[ImageByteCount];
        Read(index, decoded);
        return decoded;
    }

    /// <summary>Copies image <paramref name="index"/>.</summary>
    /// <param name="index">The image.</param>
    /// <param name="target">(Height, Width, 3) bytes.</param>
    /// <exception cref="InputException">The file of a streamed image cannot be decoded any more.</exception>
    public void Read(int index, Span<byte> target)
    {
        if (storage.Pixels is { } pixels)
        {
            pixels[positions[index]].CopyTo(target);
        }
        else
        {
            storage.Files!.Decode(positions[index], target);
        }
    }

    /// <summary>Parts of image <paramref name="index"/>, each resized to the size of the set: of the whole image in its file where images are streamed, else of its square.</summary>
    /// <param name="index">The image.</param>
    /// <param name="targets">(parts, Height, Width, 3) bytes.</param>
    /// <param name="boxOf">The box of a part, in a picture of a width and height.</param>
    /// <exception cref="InputException">The file of a streamed image cannot be decoded any more.</exception>
    internal void ReadCrops(int index, Span<byte> targets, Func<int, int, int, CropBox> boxOf)
    {
        if (storage.Files is { } files)
        {
            files.DecodeCrops(positions[index], targets, boxOf);
            return;
        }

        using var decoder = DecoderPool.Rent();
        _ = decoder.Value.DecodeCrops(RawPicture.Of(Pixels(index), Width, Height), targets, Width, boxOf);
    }

    /// <summary>Does something with every image, on all cores and at the memory of one image for each. Hashes of the pixels are taken on the way.</summary>
    /// <param name="use">Receives an image's index and pixels.</param>
    internal void ForEach(PixelUse use)
    {
        // Half of a SHA-256 is plenty: two of a million different images agree in it with a probability of 1e-27.
        var hashes = pixelHashes is null ? new Int128[Count] : null;
        Parallel.For(
            0, Count, () => IsStreamed ? new byte[ImageByteCount] : [],
            (image, _, buffer) =>
            {
                var pixels = (ReadOnlySpan<byte>)buffer;
                if (IsStreamed)
                {
                    Read(image, buffer);
                }
                else
                {
                    pixels = Pixels(image);
                }

                if (hashes is not null)
                {
                    hashes[image] = BitConverter.ToInt128(SHA256.HashData(pixels));
                }

                use(image, pixels);
                return buffer;
            },
            _ => { });
        pixelHashes ??= hashes;
    }

    /// <inheritdoc/>
    public override string Source(int index) => storage.Sources?[positions[index]] ?? $"{Name}[{positions[index]}]";

    /// <summary>The features that a frozen network gave the images, which training and evaluation then take in the place of their pixels; null where there are none.</summary>
    internal FeatureRows? Features { get; private init; }

    /// <summary>The same images with features.</summary>
    internal ImageSet WithFeatures(FeatureRows? features) =>
        new(Name, storage, positions, LabelArray, ClassNames) { pixelHashes = pixelHashes, Features = features, Group = Group };

    /// <summary>The images at <paramref name="indices"/>, in that order, as a set of the same classes that shares the pixels.</summary>
    public ImageSet Select(IEnumerable<int> indices)
    {
        int[] chosen = [.. indices];
        return new ImageSet(Name, storage, [.. chosen.Select(i => positions[i])], [.. chosen.Select(i => Labels[i])], ClassNames) { Features = Features?.Select(chosen), Group = Group };
    }

    /// <summary>The same images under another name.</summary>
    public ImageSet Named(string name) =>
        name == Name ? this : new ImageSet(name, storage, positions, LabelArray, ClassNames) { pixelHashes = pixelHashes, Features = Features, Group = Group };

    /// <summary>The same images as a member of a group of test sets.</summary>
    public ImageSet In(SetGroup? group) =>
        group == Group ? this : new ImageSet(Name, storage, positions, LabelArray, ClassNames) { pixelHashes = pixelHashes, Features = Features, Group = group };

    /// <summary>
    /// The 128-bit hash of each image's pixels, computed when it is first asked for: a run needs them for its fingerprint and to find images that sets share. Of streamed images
    /// all are decoded for it.
    /// </summary>
    internal Int128[] PixelHashes
    {
        get
        {
            if (pixelHashes is null)
            {
                ForEach((_, _) => { });
            }

            return pixelHashes!;
        }
    }

    /// <summary>The 128-bit hash of each image's file; null for images that are not files.</summary>
    internal Int128[]? FileHashes => storage.FileHashes is { } hashes ? [.. positions.Select(position => hashes[position])] : null;

    /// <summary>The same images with the labels that their classes have in another list of names, which must hold them all.</summary>
    public ImageSet WithClasses(IReadOnlyList<string> classNames)
    {
        int[] label = [.. ClassNames.Select(name => classNames.Index().First(other => other.Item == name).Index)];
        return new ImageSet(Name, storage, positions, [.. LabelArray.Select(old => old == NoClass ? NoClass : label[old])], classNames) { Features = Features, Group = Group };
    }

    /// <summary>The same images with the same labels, which are the numbers of other names.</summary>
    internal ImageSet NumberedAs(IReadOnlyList<string> classNames) =>
        new(Name, storage, positions, LabelArray, classNames) { pixelHashes = pixelHashes, Features = Features, Group = Group };

    /// <summary>The same images without classes: every label is <see cref="NoClass"/>.</summary>
    public ImageSet WithoutClasses()
    {
        var noClass = new int[Count];
        Array.Fill(noClass, NoClass);
        return new ImageSet(Name, storage, positions, noClass, []) { Features = Features, Group = Group };
    }

    private int ImageByteCount => Height * Width * PixelBlock.Channels;

    /// <summary>The images that a set and its selections share: a block or files, and of each image where it came from and the hash of its file.</summary>
    private sealed record Storage(PixelBlock? Pixels, StreamedImages? Files, IReadOnlyList<string>? Sources, Int128[]? FileHashes)
    {
        public int Count => Pixels?.Count ?? Files!.Count;
    }
}

/// <summary>What is done with the pixels of an image of a set.</summary>
/// <param name="image">Its index.</param>
/// <param name="pixels">(Height, Width, 3) bytes, until the return.</param>
internal delegate void PixelUse(int image, ReadOnlySpan<byte> pixels);

/// <summary>
/// A set of images as an evaluation sees it: a name, and a label for every image. The images themselves need not be at hand: an <see cref="ImageSet"/> has them, and a
/// set whose features and logits somebody else computed has not.
/// </summary>
public class LabelledSet
{
    /// <summary>The label of an image that shows none of the classes.</summary>
    public const int NoClass = -1;

    /// <summary>Creates a set.</summary>
    /// <param name="name">Short name for tables and messages.</param>
    /// <param name="labels">The class of every image, from 0; <see cref="NoClass"/> where it shows none.</param>
    /// <param name="classNames">Class names in label order; empty for a set without classes.</param>
    public LabelledSet(string name, int[] labels, IReadOnlyList<string> classNames) => (Name, LabelArray, ClassNames) = (name, labels, classNames);

    /// <summary>Short name for tables and messages.</summary>
    public string Name { get; }

    /// <summary>Class names in label order.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>What kind of test set it is; null where nobody says.</summary>
    public SetGroup? Group { get; init; }

    /// <summary>Number of classes.</summary>
    public int ClassCount => ClassNames.Count;

    /// <summary>Number of images.</summary>
    public int Count => LabelArray.Length;

    /// <summary>The class of every image, from 0; <see cref="NoClass"/> where it shows none.</summary>
    public ReadOnlySpan<int> Labels => LabelArray;

    /// <summary>The labels, not to be changed.</summary>
    private protected int[] LabelArray { get; }

    /// <summary>Where image <paramref name="index"/> came from, or its number where that is not known.</summary>
    public virtual string Source(int index) => $"{Name}[{index}]";

    /// <summary>Number of images per class.</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassCount];
        foreach (var label in LabelArray)
        {
            if (label != NoClass)
            {
                counts[label]++;
            }
        }

        return counts;
    }
}

/// <summary>Kinds of test sets beside the in-distribution one, as OpenOOD v1.5 groups them (Zhang et al., arXiv 2306.09301).</summary>
public enum SetGroup
{
    /// <summary>Out of distribution, and near to the classes in what it shows.</summary>
    Near,

    /// <summary>Out of distribution, and far from the classes.</summary>
    Far,

    /// <summary>The classes themselves under a covariate shift: other styles, corruptions, cameras. Not out of distribution.</summary>
    Shift,
}
