namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score of the features, less s log beta of the logits, see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class FeatureImbalanceScore : ScoreKind
{
    private readonly ScoreKind detector;

    /// <param name="detector">The score; it must have no parameters of its own.</param>
    /// <param name="strength">The usual value of s, which makes up for the range of the score.</param>
    public FeatureImbalanceScore(ScoreKind detector, double strength)
        : base(
            $"{detector.Name}-imood", $"{detector.Name} - {ImbalanceTerm.Definition}", ImbalanceTerm.Source, ImbalanceTerm.Strength(strength)) =>
        this.detector = detector;

    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var scores = detector.Fit(specification, fitting);
        var term = ImbalanceTerm.Of(specification, fitting.Prior);
        return pass => [.. scores(pass).Zip(pass.Predictions.Main.Scores(term), (score, added) => score - added)];
    }
}
