using System.Text.Json;
using Pascl.Training.Data;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>How well several scores detect the same out-of-distribution sets: the content of <c>scores.json</c>.</summary>
public sealed record ScoreReport
{
    /// <summary>What the numbers mean, in words.</summary>
    public IReadOnlyDictionary<string, string> Conventions { get; init; } = ReportConventions.OfScores;

    /// <summary>How many images each set has, and hashes of its list. Null in a report of an earlier version.</summary>
    public DataFingerprint? Data { get; init; }

    /// <summary>How many in-distribution test images there are.</summary>
    public required int TestImages { get; init; }

    /// <summary>Every score that was asked for, in that order.</summary>
    public required IReadOnlyList<ScoreResult> Scores { get; init; }

    /// <summary>Measures scores on passes that were made already. An average over no sets is left out.</summary>
    /// <param name="test">The pass over the in-distribution test images.</param>
    /// <param name="outOfDistribution">
    /// The passes over the sets to be detected. An image with a class shows an in-distribution class and counts as in-distribution in its set.
    /// </param>
    /// <param name="scores">The scores.</param>
    /// <param name="fitting">What they are made ready on.</param>
    /// <exception cref="InputException">A score is not a number.</exception>
    public static ScoreReport Measure(
        FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution, IReadOnlyList<ScoreSpecification> scores, ScoreFitting fitting) => new()
        {
            TestImages = test.Images.Count,
            Scores = [.. scores.Select(score => ScoreResult.Measure(score, score.Fit(fitting), test, outOfDistribution))],
        };

    /// <summary>Reads a report that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing or not such a report.</exception>
    public static ScoreReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<ScoreReport>(File.ReadAllBytes(path), ReportJson.Options) ?? throw new JsonException("it holds null.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"{path} cannot be read as a report of scores: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the report as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => DurableFile.Replace(path, stream => JsonSerializer.Serialize(stream, this, ReportJson.Options));
}

/// <summary>How well one score detects each out-of-distribution set.</summary>
/// <param name="Name">The score, with those of its parameters that are not the usual ones; <see cref="ScoreSpecification.Parse"/> reads it.</param>
/// <param name="Definition">What it is.</param>
/// <param name="Source">Who defined it.</param>
/// <param name="Parameters">The value of every parameter.</param>
/// <param name="Sets">Detection of each set.</param>
/// <param name="Average">The mean over the sets, every set counting alike, or null where there are none.</param>
public sealed record ScoreResult(
    string Name,
    string Definition,
    string Source,
    IReadOnlyDictionary<string, double> Parameters,
    IReadOnlyList<ScoreSetResult> Sets,
    OodMetrics? Average)
{
    private const string Default = "default";
    private const string Given = "given";

    /// <summary>By parameter, how its value was chosen: <c>default</c> or <c>given</c>. Null in a report of an earlier version.</summary>
    public IReadOnlyDictionary<string, string>? Constants { get; init; }

    /// <summary>What the score has from the training images. Null in a report of an earlier version.</summary>
    public ScoreFit? FittedTo { get; init; }

    internal static ScoreResult Measure(
        ScoreSpecification specification, Func<FeaturePass, double[]> score, FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution)
    {
        var testScores = score(test);
        ScoreSetResult[] sets = [.. outOfDistribution.Select(set => Detect(testScores, set.Images, score(set)))];
        return new(
            specification.ToString(),
            specification.Kind.Definition,
            specification.Kind.Source,
            specification.Values,
            sets,
            sets.Length == 0 ? null : OodMetrics.Mean([.. sets.Select(set => set.Metrics)]))
        {
            Constants = specification.Kind.Parameters.ToDictionary(
                parameter => parameter.Name, parameter => specification.Values[parameter.Name] == parameter.Default ? Default : Given),
            FittedTo = specification.Kind.FittedTo,
        };
    }

    private static ScoreSetResult Detect(double[] testScores, ImageSet images, double[] scores)
    {
        var (outScores, furtherScores) = ScoredImages.Part(images, scores);
        return new(
            images.Name,
            outScores.Length,
            testScores.Length + furtherScores.Length,
            OodMetrics.Compute(outScores, (double[])[.. testScores, .. furtherScores]));
    }
}

/// <summary>How well a score detects one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">Test images, and images of the set that show one of the classes.</param>
/// <param name="Metrics">The numbers.</param>
public sealed record ScoreSetResult(string Name, int OutOfDistributionImages, int InDistributionImages, OodMetrics Metrics);
