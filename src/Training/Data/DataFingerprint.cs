using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>What tells one set of images from another, wherever it lies.</summary>
/// <param name="Set">What it is to the run: <c>training</c>, <c>validation</c>, <c>test</c>, <c>outliers</c>, or the name of an out-of-distribution set.</param>
/// <param name="Images">Number of images.</param>
/// <param name="Pixels">
/// The first 16 hexadecimal digits of the SHA-256 of their pixels and labels, in order. Empty for images that are decoded whenever they are wanted: to decode all of them once
/// more, only to know them again, may take longer than what is asked of them.
/// </param>
public sealed record SetFingerprint(string Set, int Images, string Pixels)
{
    /// <summary>The same digits of the bytes of their files instead of the pixels; null for images that are not files, and in a file of an earlier version.</summary>
    public string? Files { get; init; }

    /// <summary>Name of the training images in a fingerprint.</summary>
    public const string Training = "training";

    /// <summary>Name of the images held out to choose the best epoch.</summary>
    public const string Validation = "validation";

    /// <summary>Name of the test images.</summary>
    public const string Test = "test";

    /// <summary>Name of the auxiliary outliers.</summary>
    public const string Outliers = "outliers";

    /// <summary>The fingerprint of a set.</summary>
    public static SetFingerprint Of(string name, ImageSet images)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        return new SetFingerprint(name, images.Count, images.IsStreamed ? "" : Digits(images.PixelHashes))
        {
            Files = images.FileHashes is { } files ? Digits(files) : null,
        };

        string Digits(Int128[] hashes)
        {
            hash.AppendData(MemoryMarshal.AsBytes(hashes.AsSpan()));
            hash.AppendData(MemoryMarshal.AsBytes(images.Labels));
            return DataFingerprint.Digits(hash);
        }
    }

    /// <summary>What is compared with the fingerprint of another set: the pixels where both have them, else the files, else nothing but the number.</summary>
    internal (string? Here, string? There) Compared(SetFingerprint other) =>
        Pixels.Length > 0 && other.Pixels.Length > 0 ? (Pixels, other.Pixels)
        : Files is not null && other.Files is not null ? (Files, other.Files)
        : (null, null);

    /// <summary>Whether two sets are the same by everything that is known of both.</summary>
    public bool IsSameAs(SetFingerprint other) => Images == other.Images && Compared(other) is var (here, there) && here == there;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Set} {Images:N0} images {(Pixels.Length > 0 ? Pixels : $"files {Files}")}");
}

/// <summary>A file that names images: a list of paths and labels, or annotations in JSON.</summary>
/// <param name="File">Its name, without the folders above it.</param>
/// <param name="Sha256">The SHA-256 of its bytes in hexadecimal, as <c>sha256sum</c> prints it.</param>
public sealed record ListFingerprint(string File, string Sha256)
{
    internal static ListFingerprint Of(FileTree tree, string file) => new(FileTree.NameOf(file), Convert.ToHexStringLower(SHA256.HashData(tree.Read(file).Span)));
}

/// <summary>
/// What tells a run's images from others, wherever they lie: how many there are, their classes, the files' names below the data set's own folder with their labels, in
/// the order of the split, the seed of the split, and the pixels or the files of every set.
/// </summary>
/// <param name="Training">Number of training images.</param>
/// <param name="Validation">Number of images held out.</param>
/// <param name="Test">Number of test images.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Files">The first 16 hexadecimal digits of the SHA-256 of names and labels.</param>
/// <param name="SplitSeed">Seed of the split.</param>
public sealed record DataFingerprint(int Training, int Validation, int Test, int Classes, string Files, int SplitSeed)
{
    private const int DigitCount = 16;

    /// <summary>The sets with the hashes of their pixels or files; empty in a file of an earlier version.</summary>
    public IReadOnlyList<SetFingerprint> Sets { get; init; } = [];

    /// <summary>The lists that named images; empty where none did, and in a file of an earlier version. They are not compared: the images are.</summary>
    public IReadOnlyList<ListFingerprint> Lists { get; init; } = [];

    /// <summary>The fingerprint of a run's images.</summary>
    /// <param name="data">The images.</param>
    /// <param name="path">Where the data set lies; null for one that is drawn.</param>
    /// <param name="splitSeed">Seed of the split.</param>
    public static DataFingerprint Of(TrainingData data, string? path, int splitSeed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(string.Join('\n', data.Training.ClassNames));
        ImageSet?[] sets = [data.Training, data.Validation, data.Test];
        foreach (var set in sets)
        {
            Append("\n\n");
            for (var i = 0; i < set?.Count; i++)
            {
                Append(string.Create(CultureInfo.InvariantCulture, $"{BelowDataSet(set.Source(i), path)}\n{set.Labels[i]}\n"));
            }
        }

        return new DataFingerprint(
            data.Training.Count, data.Validation?.Count ?? 0, data.Test.Count, data.Training.ClassCount, Digits(hash), splitSeed)
        {
            Sets = [.. data.Sets.Select(set => SetFingerprint.Of(set.Role, set.Images))],
            Lists = data.Lists,
        };

        void Append(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>The fingerprint of one of the sets; null where it is not known.</summary>
    public SetFingerprint? Of(string set) => Sets.FirstOrDefault(known => known.Set == set);

    /// <summary>Whether two fingerprints are of the same files in the same split, whatever their pixels.</summary>
    public bool HasFilesOf(DataFingerprint other) => (this with { Sets = [], Lists = [] }) == (other with { Sets = [], Lists = [] });

    /// <summary>Whether two fingerprints are of the same images by everything that is known of both.</summary>
    public bool IsSameAs(DataFingerprint other) => HasFilesOf(other) && !Differences(other).Any();

    /// <summary>The sets that both know and that have other pixels or labels, or another number of images, in the one than in the other.</summary>
    public IEnumerable<(SetFingerprint Here, SetFingerprint There)> Differences(DataFingerprint other) =>
        from set in Sets
        let there = other.Of(set.Set)
        where there is not null && !set.IsSameAs(there)
        select (set, there);

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Training:N0} training, {Validation:N0} held-out and {Test:N0} test images of {Classes} classes, files {Files}, split seed {SplitSeed}");

    /// <summary>The digits by which a hash is told from others.</summary>
    internal static string Digits(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset())[..DigitCount];

    // Folder or archive may be elsewhere and have another name.
    private static string BelowDataSet(string source, string? path) =>
        path is not null && source.StartsWith(path, StringComparison.Ordinal) ? source[path.Length..] : source;
}
