using System.Text.Encodings.Web;
using System.Text.Json;

namespace Pascl.Training.Deployment;

/// <summary>What a deployed model is, for who asks it from elsewhere.</summary>
/// <param name="Name">Name of the run folder, without the folders above it.</param>
/// <param name="Method">How it was trained, as <c>--method</c> takes it.</param>
/// <param name="Classes">Class names in label order.</param>
/// <param name="ImageSize">Rows and columns to which images are resized and cropped, in pixels.</param>
/// <param name="ScoreName">The out-of-distribution score, as <c>calibrate --score</c> takes it; higher = more out-of-distribution.</param>
/// <param name="Threshold">The highest score that is accepted; null where none was chosen.</param>
/// <param name="WeightsSha256">SHA-256 of the names and bytes of all weights in hexadecimal; the same in <c>provenance.json</c> and in exported models.</param>
/// <param name="Version">Pascl's version.</param>
/// <param name="Commit">The commit that the program was built from.</param>
public record ModelDescription(
    string Name,
    string Method,
    IReadOnlyList<string> Classes,
    int ImageSize,
    string ScoreName,
    double? Threshold,
    string WeightsSha256,
    string Version,
    string Commit)
{
    /// <summary>Names like those of the other answers.</summary>
    internal static JsonSerializerOptions JsonOptions { get; } =
        new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One line for people.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"Model {Name}: {Classes.Count} classes, {(Threshold is { } threshold ? $"accepts {ScoreName} up to {threshold:0.######}" : $"{ScoreName} without a threshold")}, weights {WeightsSha256[..12]}, Pascl {Version}({Commit[..Math.Min(12, Commit.Length)]})");
}
