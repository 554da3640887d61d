using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Pascl.Training.Data;

/// <summary>
/// What tells a run's images from others, wherever they lie: how many there are, their classes, the files' names below the data set's own folder with their labels, in
/// the order of the split, and the seed of the split.
/// </summary>
/// <param name="Training">Number of training images.</param>
/// <param name="Validation">Number of images held out.</param>
/// <param name="Test">Number of test images.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Files">The first 16 hexadecimal digits of the SHA-256 of names and labels.</param>
/// <param name="SplitSeed">Seed of the split.</param>
public sealed record DataFingerprint(int Training, int Validation, int Test, int Classes, string Files, int SplitSeed)
{
    private const int Digits = 16;

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
            data.Training.Count, data.Validation?.Count ?? 0, data.Test.Count, data.Training.ClassCount,
            Convert.ToHexStringLower(hash.GetHashAndReset())[..Digits], splitSeed);

        void Append(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text));
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Training:N0} training, {Validation:N0} held-out and {Test:N0} test images of {Classes} classes, files {Files}, split seed {SplitSeed}");

    // Folder or archive may be elsewhere and have another name.
    private static string BelowDataSet(string source, string? path) =>
        path is not null && source.StartsWith(path, StringComparison.Ordinal) ? source[path.Length..] : source;
}
