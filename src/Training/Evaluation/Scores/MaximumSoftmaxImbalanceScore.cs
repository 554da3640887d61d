namespace Pascl.Training.Evaluation.Scores;

/// <summary>-( max_c p_c - 1/C + s log beta ), see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class MaximumSoftmaxImbalanceScore() : LogitScoreKind(
    "msp-imood", $"-(max p - 1/C + {ImbalanceTerm.Definition})", ImbalanceTerm.Source, Strength)
{
    private static readonly ScoreParameter Strength = ImbalanceTerm.Strength(0.1);

    internal override OodScore Of(ScoreSpecification specification, double[] prior)
    {
        var term = ImbalanceTerm.Of(specification, prior);
        return logits => OodScores.MaximumSoftmax(logits) - 1 + (1.0 / logits.Length) - term(logits);
    }
}
