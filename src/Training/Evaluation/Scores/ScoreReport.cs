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

    /// <summary>Whether the scores are of the main branch of a network with two, or of a model without branches.</summary>
    public bool IsOfBranch { get; init; } = true;

    /// <summary>Every score that was asked for, in that order.</summary>
    public required IReadOnlyList<ScoreResult> Scores { get; init; }

    /// <summary>Measures scores on passes that were made already. An average over no sets is left out.</summary>
    /// <param name="test">The pass over the in-distribution test images.</param>
    /// <param name="outOfDistribution">
    /// The passes over the sets to be detected. An image with a class shows an in-distribution class and counts as in-distribution in its set.
    /// </param>
    /// <param name="scores">The scores.</param>
    /// <param name="fitting">What they are made ready on.</param>
    /// <param name="tailClasses">Whether each class is a tail class; null where detection of tail images is not asked for.</param>
    /// <exception cref="InputException">A score is not a number.</exception>
    public static ScoreReport Measure(
        FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution, IReadOnlyList<ScoreSpec> scores, ScoreFitting fitting, IReadOnlyList<bool>? tailClasses = null) => new()
        {
            TestImages = test.Images.Count,
            Scores = [.. scores.Select(score => ScoreResult.Measure(score.Fit(fitting), score, test, outOfDistribution, tailClasses))],
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
/// <param name="Name">The score, with those of its parameters that are not the usual ones; <see cref="ScoreSpec.Parse"/> reads it.</param>
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
    IReadOnlyList<SetDetection> Sets,
    OodMetrics? Average)
{
    /// <summary>The mean over the sets of each group; empty where no set has one.</summary>
    public IReadOnlyList<GroupDetection> Groups { get; init; } = [];

    /// <summary>The mean over the sets against the test images of the tail classes alone. Null where there are no sets, and in a report of an earlier version.</summary>
    public OodMetrics? Tail { get; init; }

    /// <summary>Test images and covariate-shifted ones together against each set; null where there are no shifted sets.</summary>
    public DetectionBySet? FullSpectrum { get; init; }

    private const string Default = "default";
    private const string Given = "given";

    /// <summary>By parameter, how its value was chosen: <c>default</c> or <c>given</c>. Null in a report of an earlier version.</summary>
    public IReadOnlyDictionary<string, string>? Constants { get; init; }

    /// <summary>What the score has from the training images. Null in a report of an earlier version.</summary>
    public ScoreFit? FittedTo { get; init; }

    internal static ScoreResult Measure(OodScore score, ScoreSpec spec, FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution, IReadOnlyList<bool>? tailClasses)
    {
        var testScores = score.Of(test);
        double[] tailScores = [.. testScores.Where((_, image) => tailClasses?[test.Images.Labels[image]] == true)];
        var scored = outOfDistribution.Select(set => (set.Images, Scores: score.Of(set))).ToLookup(set => set.Images.Group == SetGroup.Shift);
        (LabelledSet Images, double[] Scores)[] sets = [.. scored[false]];
        var detection = DetectionBySet.Of(testScores, sets);
        return new(
            score.Name,
            spec.Definition,
            spec.Source,
            spec.Values,
            detection.Sets,
            detection.Average)
        {
            Groups = detection.Groups,
            Tail = tailClasses is null || sets.Length == 0 ? null
                : OodMetrics.Mean([.. sets.Select(set => OodMetrics.Compute(DetectionBySet.Part(set.Images, set.Scores).OutOfDistribution, tailScores))]),
            FullSpectrum = sets.Length > 0 && scored[true].Any() ? DetectionBySet.Of([.. testScores, .. scored[true].SelectMany(set => set.Scores)], sets) : null,
            Constants = spec.Parameters.ToDictionary(
                parameter => parameter.Name, parameter => spec[parameter] == parameter.Default ? Default : Given),
            FittedTo = spec.FittedTo,
        };
    }
}
