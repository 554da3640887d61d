namespace Pascl.Training.Evaluation.Scores;

/// <summary>-( log sum_c exp(z_c) + s log beta ), see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class EnergyImbalanceScore() : LogitScoreKind(
    "energy-imood", $"-(log sum exp(z) + {ImbalanceTerm.Definition})", ImbalanceTerm.Source, Strength)
{
    private static readonly ScoreParameter Strength = ImbalanceTerm.Strength(1);

    internal override OodScore Of(ScoreSpecification specification, double[] prior)
    {
        var term = ImbalanceTerm.Of(specification, prior);
        return logits => EnergyScore.Energy(logits, 1) - term(logits);
    }
}
