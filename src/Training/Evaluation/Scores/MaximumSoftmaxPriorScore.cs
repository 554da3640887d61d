namespace Pascl.Training.Evaluation.Scores;

/// <summary>- max_c (p_c - pi_c): the reference of the maximum probability is the class prior and not the uniform distribution.</summary>
internal sealed class MaximumSoftmaxPriorScore() : LogitScoreKind("msp-prior", "-max (p - pi)", "RP+MSP of Jiang et al., ICML 2023")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => logits =>
    {
        var highest = double.NegativeInfinity;
        var probabilities = Softmax.Of(logits);
        for (var c = 0; c < prior.Length; c++)
        {
            highest = Math.Max(highest, probabilities[c] - prior[c]);
        }

        return -highest;
    };
}
