namespace Pascl.Training.Evaluation;

/// <summary>What is drawn of the deployed score: thinned curves of every out-of-distribution set, and where the scores lie.</summary>
/// <param name="Curves">ROC and precision over recall, one for each set.</param>
/// <param name="Histogram">The scores of head classes, tail classes and every set.</param>
public sealed record DetectionFigures(IReadOnlyList<DetectionCurves> Curves, ScoreHistogram Histogram)
{
    internal static DetectionFigures Of(ScoredImages test, IReadOnlyList<ScoredImages> outOfDistribution, IReadOnlyList<bool> tailClasses) => new(
        [
            .. outOfDistribution.Select(set =>
            {
                var (outScores, furtherScores) = ScoredImages.Part(set.Images, set.Scores);
                return DetectionCurves.Of(set.Images.Name, RocCurve.From(outScores, [.. test.Scores, .. furtherScores]));
            }),
        ],
        ScoreHistogram.Of(test, outOfDistribution, tailClasses));
}
