using Pascl.Training.Data;

namespace Pascl.Training.Evaluation.Scores;

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
    internal static ScoreResult Measure(FittedScore score, FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution)
    {
        var (specification, testScores) = (score.Specification, score.Scores(test));
        ScoreSetResult[] sets = [.. outOfDistribution.Select(set => Detect(testScores, set.Images, score.Scores(set)))];
        return new(
            specification.ToString(),
            specification.Kind.Definition,
            specification.Kind.Source,
            specification.Values,
            sets,
            sets.Length == 0 ? null : OodMetrics.Mean([.. sets.Select(set => set.Metrics)]));
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
