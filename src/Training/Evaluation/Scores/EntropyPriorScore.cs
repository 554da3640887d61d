namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// - sum_c p_c log(p_c / pi_c). The entropy is log C minus the divergence of p from the uniform distribution; here the class prior takes the place of
/// the latter.
/// </summary>
internal sealed class EntropyPriorScore() : LogitScoreKind(
    "entropy-prior",
    "-sum p log(p / pi), 0 log 0 = 0",
    "the replaced reference (RP) of Jiang et al., ICML 2023, applied here to the entropy")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => logits =>
    {
        var divergence = 0.0;
        var logarithms = Softmax.LogOf(logits);
        for (var c = 0; c < prior.Length; c++)
        {
            divergence += Math.Exp(logarithms[c]) * (logarithms[c] - Math.Log(prior[c]));
        }

        return -divergence;
    };
}
