namespace Pascl.Training.Evaluation.Scores;

/// <summary>- T log sum_c exp(z_c / T) * (1 - cos(p, pi)): a low energy counts less where the prediction looks like the class prior.</summary>
internal sealed class EnergyPriorScore() : LogitScoreKind(
    "energy-prior",
    "-T log sum exp(z / T) * (1 - cos(p, pi)), p at T = 1; where the energy is positive the factor reverses the order",
    "RW+Energy of Jiang et al., ICML 2023",
    EnergyScore.Temperature)
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior)
    {
        var temperature = specification.Values[EnergyScore.Temperature.Name];
        return logits => EnergyScore.Energy(logits, temperature) * ClassPrior.Dissimilarity(Softmax.Of(logits), prior);
    }
}
