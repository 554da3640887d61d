namespace Pascl.Training.Evaluation.Scores;

/// <summary>The entropy of the prediction, - sum_c p_c log p_c with 0 log 0 = 0.</summary>
internal sealed class EntropyScore() : LogitScoreKind(
    "entropy", "-sum p log p, 0 log 0 = 0", "predictive entropy, as in Lakshminarayanan et al., NeurIPS 2017")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => Entropy;

    private static double Entropy(ReadOnlySpan<float> logits)
    {
        var entropy = 0.0;
        foreach (var logarithm in Softmax.LogOf(logits))
        {
            // A probability that rounds to zero has a finite logarithm here, so the product is zero.
            entropy -= Math.Exp(logarithm) * logarithm;
        }

        return entropy;
    }
}
