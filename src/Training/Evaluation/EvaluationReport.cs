using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Data;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation;

/// <summary>Everything an evaluation found, each number with its convention: the content of <c>report.json</c>.</summary>
public sealed record EvaluationReport
{
    /// <summary>
    /// The layout that this program writes and reads: raised with every change after which an earlier file cannot be read as a report.
    /// </summary>
    public const int CurrentLayout = 2;

    /// <summary>The layout of the file; another than <see cref="CurrentLayout"/> is refused.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>What each number means, in words, by the name of its property.</summary>
    public IReadOnlyDictionary<string, string> Conventions { get; init; } = ReportConventions.For(LogitReadout.MaximumSoftmax);

    /// <summary>Class names in label order.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>Training images of each class.</summary>
    public required IReadOnlyList<int> TrainingCounts { get; init; }

    /// <summary>The rule behind <see cref="ShotGroups"/>.</summary>
    public required ShotRule ShotRule { get; init; }

    /// <summary>The shot group of each class in label order.</summary>
    public required IReadOnlyList<ShotGroup> ShotGroups { get; init; }

    /// <summary>Labels of the tail classes, rising.</summary>
    public required IReadOnlyList<int> TailClasses { get; init; }

    /// <summary>How many in-distribution test images there are.</summary>
    public required int TestImages { get; init; }

    /// <summary>What made the features and logits, where it was no run of Pascl's; null for a run.</summary>
    public ForeignModel? Model { get; init; }

    /// <summary>What the threshold accepts: that of the run's weights, or the one that the evaluation of another model chose; null where there is none.</summary>
    public AcceptanceTable? Threshold { get; init; }

    /// <summary>How many images each set has, and hashes of its list: what tells these images from others. Null in a report of an earlier version.</summary>
    public DataFingerprint? Data { get; init; }

    /// <summary>Name of the out-of-distribution score, for example <c>msp</c>.</summary>
    public string Score { get; init; } = LogitReadout.MaximumSoftmax.ScoreName;

    /// <summary>The main branch alone.</summary>
    public required ReadingReport Main { get; init; }

    /// <summary>The auxiliary branch alone.</summary>
    public required ReadingReport Auxiliary { get; init; }

    /// <summary>The method as it is deployed: class of the auxiliary branch, score of the branch that the method takes it from.</summary>
    public required ReadingReport Deployed { get; init; }

    /// <summary>The images that the deployed score gets most wrong.</summary>
    public required WorstImages Worst { get; init; }

    /// <summary>Reads a report that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, not a report, or of another layout.</exception>
    public static EvaluationReport Read(string path) => ReportJson.Read<EvaluationReport>(
        path, new("report", "an evaluation report", "deployed", "it has no evaluation of a deployed model.", CurrentLayout));

    /// <summary>Writes the report as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}

/// <summary>What the training set was like, by which an evaluation groups the classes.</summary>
/// <param name="TrainingCounts">Training images of each class.</param>
/// <param name="TailClasses">Whether each class is a tail class of the loss; the others are head classes.</param>
/// <param name="ShotRule">Where the lines between many, medium and few are drawn.</param>
public sealed record EvaluationProtocol(IReadOnlyList<int> TrainingCounts, IReadOnlyList<bool> TailClasses, ShotRule ShotRule);

/// <summary>The evaluation of one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">Test images, and images of the set that show one of the classes.</param>
/// <param name="Result">The numbers.</param>
public sealed record OodSetReport(string Name, int OutOfDistributionImages, int InDistributionImages, OodResult Result)
{
    /// <summary>The group of the set; null where nobody says.</summary>
    public SetGroup? Group { get; init; }

    /// <summary>Where the headline numbers lie with 95 % certainty; null in a report of an earlier version, and where there are no images.</summary>
    public OodIntervals? Intervals { get; init; }
}

/// <summary>How well out-of-distribution images are detected, of one set or on average over sets.</summary>
/// <param name="Metrics">Out-of-distribution against in-distribution images.</param>
/// <param name="Groups">Out-of-distribution images against the test images of some classes only.</param>
/// <param name="OperatingPoints">What usual thresholds do.</param>
/// <param name="CorrectClassification">CCR at the usual false-positive rates.</param>
/// <param name="Risk">Risk and coverage over test and out-of-distribution images together; to accept one of the latter is an error.</param>
public sealed record OodResult(
    OodMetrics Metrics,
    OodMetricsByGroup Groups,
    IReadOnlyList<OperatingPoint> OperatingPoints,
    IReadOnlyList<CorrectClassification> CorrectClassification,
    SelectiveRisk Risk)
{
    /// <summary>Each number's mean over at least one set, every set counting alike.</summary>
    public static OodResult Mean(IReadOnlyList<OodResult> all) => new(
        OodMetrics.Mean([.. all.Select(result => result.Metrics)]),
        OodMetricsByGroup.Mean([.. all.Select(result => result.Groups)]),
        OperatingPoint.Mean([.. all.Select(result => result.OperatingPoints)]),
        Evaluation.CorrectClassification.Mean([.. all.Select(result => result.CorrectClassification)]),
        SelectiveRisk.Mean([.. all.Select(result => result.Risk)]));
}

/// <summary>One way of using the two branches.</summary>
public sealed record ReadingReport
{
    /// <summary>The branch that gives the out-of-distribution score.</summary>
    public required Branch ScoreBranch { get; init; }

    /// <summary>The branch that gives the class.</summary>
    public required Branch ClassBranch { get; init; }

    /// <summary>Classification of the test images.</summary>
    public required LongTailMetrics Classification { get; init; }

    /// <summary>Number of test images of each class (outer list) by predicted class (inner).</summary>
    public required IReadOnlyList<int[]> Confusion { get; init; }

    /// <summary>Calibration of the class branch's probabilities on the test images.</summary>
    [JsonPropertyName("reliability")]
    public required CalibrationByGroup Calibration { get; init; }

    /// <summary>How well the score puts wrongly classified test images behind the others.</summary>
    public required SelectiveRisk Risk { get; init; }

    /// <summary>The curve behind <see cref="Risk"/>.</summary>
    public required RiskCoverageCurve RiskCoverage { get; init; }

    /// <summary>Detection of each out-of-distribution set.</summary>
    public required IReadOnlyList<OodSetReport> Sets { get; init; }

    /// <summary>The mean over the sets, or null where there are none.</summary>
    public required OodResult? Average { get; init; }

    /// <summary>The mean over the sets of each group; empty where no set has one.</summary>
    public IReadOnlyList<OodGroupReport> Groups { get; init; } = [];

    /// <summary>Classification of the sets that show the classes under a covariate shift.</summary>
    public IReadOnlyList<ShiftedSetReport> ShiftedSets { get; init; } = [];

    /// <summary>
    /// Full-spectrum detection: the test images and those of <see cref="ShiftedSets"/> together against each set; null where there are no shifted sets.
    /// </summary>
    public DetectionBySet? FullSpectrum { get; init; }

    /// <summary>Share of all those images that is classified correctly; not a number where there are no shifted sets.</summary>
    public double FullSpectrumAccuracy { get; init; } = double.NaN;

    /// <summary>The tail classes, those taken for out-of-distribution most first; empty without out-of-distribution sets.</summary>
    public required IReadOnlyList<ClassRejection> TailRejections { get; init; }
}

/// <summary>
/// What an evaluation is drawn from, beside the numbers of <see cref="EvaluationReport"/>: the content of <c>figures.json</c>. Its size does not
/// grow with the number of images.
/// </summary>
public sealed record EvaluationFigures
{
    /// <summary>The layout that this program writes and reads: raised with every change after which an earlier file cannot be read.</summary>
    public const int CurrentLayout = 1;

    /// <summary>The layout of the file; another than <see cref="CurrentLayout"/> is refused.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>Curves and histograms of the deployed score.</summary>
    public required DetectionFigures Detection { get; init; }

    /// <summary>The features of some images in a plane; null where there are no features.</summary>
    public FeatureMap? Features { get; init; }

    /// <summary>Reads figures that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, holds no figures, or is of another layout.</exception>
    public static EvaluationFigures Read(string path) => ReportJson.Read<EvaluationFigures>(
        path, new("file of figures", "a file of figures", "detection", "it has no curves of detection.", CurrentLayout));

    /// <summary>Writes the figures as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}

/// <summary>How often a class is taken for out-of-distribution.</summary>
/// <param name="Label">Label of the class.</param>
/// <param name="Name">Name of the class.</param>
/// <param name="TrainingImages">Training images of the class.</param>
/// <param name="Rejection">
/// Share of the class's test images that are rejected at the threshold of 95 % true-positive rate, mean over the out-of-distribution sets.
/// </param>
public sealed record ClassRejection(int Label, string Name, int TrainingImages, double Rejection);

/// <summary>Counts of images of one set.</summary>
/// <param name="Name">Name of the set.</param>
/// <param name="Images">Images in each bin.</param>
public sealed record NamedCounts(string Name, int[] Images);

/// <summary>What is drawn of the deployed score: thinned curves of every out-of-distribution set, and where the scores lie.</summary>
/// <param name="Curves">ROC and precision over recall, one for each set.</param>
/// <param name="Histogram">The scores of head classes, tail classes and every set.</param>
public sealed record DetectionFigures(IReadOnlyList<DetectionCurves> Curves, ScoreHistogram Histogram)
{
    internal static DetectionFigures Of(ScoredImages test, IReadOnlyList<ScoredImages> outOfDistribution, IReadOnlyList<bool> tailClasses) => new(
        [
            .. outOfDistribution.Select(set =>
            {
                var (outScores, furtherScores) = DetectionBySet.Part(set.Images, set.Scores);
                return DetectionCurves.Of(set.Images.Name, RocCurve.From(outScores, [.. test.Scores, .. furtherScores]));
            }),
        ],
        ScoreHistogram.Of(test, outOfDistribution, tailClasses));
}

/// <summary>The mean over the out-of-distribution sets of a group, every set counting alike.</summary>
/// <param name="Group">The group.</param>
/// <param name="Sets">Names of its sets.</param>
/// <param name="Result">The numbers.</param>
public sealed record OodGroupReport(SetGroup Group, IReadOnlyList<string> Sets, OodResult Result);

/// <summary>The classification of a set that shows the classes under a covariate shift.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="Images">Number of images.</param>
/// <param name="Classification">How well they are classified.</param>
public sealed record ShiftedSetReport(string Name, int Images, LongTailMetrics Classification);

/// <summary>A model of somebody else's, of which features and logits were evaluated.</summary>
/// <param name="Name">What it is called in comparisons.</param>
/// <param name="Seed">The seed of its training, by which comparisons tell several of a name apart.</param>
/// <param name="TestLabels">SHA-256 of the labels of the test images (int32, little endian), by which comparisons tell other splits.</param>
/// <param name="Files">Every file that went into the evaluation.</param>
public sealed record ForeignModel(string Name, int Seed, string TestLabels, IReadOnlyList<InputFile> Files)
{
    internal static string HashOf(ReadOnlySpan<int> labels) => Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(labels)));
}

/// <summary>A file that went into an evaluation.</summary>
/// <param name="Set">What it is to the evaluation: <c>training</c>, <c>test</c>, the name of a set, <c>classifier</c> or <c>model</c>.</param>
/// <param name="File">Its name without the folder.</param>
/// <param name="Bytes">Its length; null for images.</param>
/// <param name="Sha256">SHA-256 of its bytes, in hexadecimal; of images the fingerprint of their pixels and labels.</param>
/// <param name="Images">Rows of the set that the file belongs to; null for a file that is no set.</param>
/// <param name="Contents">What was taken from it: array, type and shape.</param>
public sealed record InputFile(string Set, string File, long? Bytes, string Sha256, int? Images, string Contents);

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
