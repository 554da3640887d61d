using System.Text.Json;

namespace Pascl.Training.Evaluation;

/// <summary>What a deployed model in whole numbers of eight bits loses against the same model in float32; stored beside the model.</summary>
/// <param name="Score">Name of the out-of-distribution score.</param>
/// <param name="Images">What the ranges of the activations were chosen on.</param>
/// <param name="ImageCount">How many of those.</param>
/// <param name="Share">The share of the activations that lies within the ranges; 1 for all.</param>
/// <param name="Float32">The model as it was.</param>
/// <param name="Int8">The model in eight bits.</param>
public sealed record QuantisationReport(string Score, string Images, int ImageCount, double Share, QuantisedNumbers Float32, QuantisedNumbers Int8)
{
    /// <summary>A loss of AUROC above this is worth a warning.</summary>
    public const double WorthWarning = 0.005;

    private static readonly JsonSerializerOptions readable = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>AUROC of float32 less that of eight bits, averaged over the sets; null without sets.</summary>
    public double? Loss => Float32.Auroc - Int8.Auroc;

    /// <summary>Reads what <see cref="ToJson"/> gave.</summary>
    /// <exception cref="JsonException">The text is something else.</exception>
    public static QuantisationReport FromJson(string json) =>
        JsonSerializer.Deserialize<QuantisationReport>(json, readable) ?? throw new JsonException("It holds no report.");

    /// <summary>The report as indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, readable);
}

/// <summary>How well one of the two models does on the run's test images and out-of-distribution sets. Everything is a fraction; null where there are no images for it.</summary>
/// <param name="Auroc">AUROC, averaged over the sets.</param>
/// <param name="Fpr95">FPR95 with out-of-distribution positive, averaged over the sets.</param>
/// <param name="Accuracy">Share of the test images whose class is right.</param>
/// <param name="Accepted">Share of the test images that the threshold accepts.</param>
/// <param name="Threshold">The threshold.</param>
/// <param name="ImagesPerSecond">Images a second by ONNX Runtime, in the process that measured, on all cores.</param>
/// <param name="Sets">The sets.</param>
public sealed record QuantisedNumbers(
    double? Auroc, double? Fpr95, double? Accuracy, double? Accepted, double? Threshold, double ImagesPerSecond, IReadOnlyList<QuantisedSet> Sets);

/// <summary>One of the out-of-distribution sets.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Auroc">AUROC.</param>
/// <param name="Fpr95">FPR95, out-of-distribution positive.</param>
public sealed record QuantisedSet(string Name, double Auroc, double Fpr95);
