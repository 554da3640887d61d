using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score of the logits of an image and the class prior alone.</summary>
public abstract class LogitScoreKind : ScoreKind
{
    /// <summary>Describes the score, as <see cref="ScoreKind"/> does.</summary>
    protected LogitScoreKind(string name, string definition, string source, params ScoreParameter[] parameters)
        : base(name, definition, source, parameters)
    {
    }

    /// <inheritdoc/>
    public override bool IsOfLogits => true;

    /// <summary>The function from the logits of an image to its score.</summary>
    /// <param name="specification">The values of the parameters.</param>
    /// <param name="prior">pi: the share of every class in the training images.</param>
    public abstract OodScore OfLogits(ScoreSpecification specification, double[] prior);

    /// <inheritdoc/>
    public sealed override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var score = OfLogits(specification, fitting.Prior);
        return pass => pass.Predictions.Main.Scores(score);
    }
}

/// <summary>1 - max_c p_c, see <see cref="OodScores.MaximumSoftmax(ReadOnlySpan{float})"/>.</summary>
internal sealed class MaximumSoftmaxScore() : LogitScoreKind("msp", "1 - max p", "Hendrycks and Gimpel, ICLR 2017")
{
    public override OodScore OfLogits(ScoreSpecification specification, double[] prior) => OodScores.MaximumSoftmax;
}

/// <summary>- max_c z_c.</summary>
internal sealed class MaximumLogitScore() : LogitScoreKind("max-logit", "-max z", "Hendrycks et al., ICML 2022")
{
    public override OodScore OfLogits(ScoreSpecification specification, double[] prior) => logits => -logits[Softmax.IndexOfMaximum(logits)];
}

/// <summary>The free energy - T log sum_c exp(z_c / T).</summary>
internal sealed class EnergyScore() : LogitScoreKind("energy", "-T log sum exp(z / T)", "Liu et al., NeurIPS 2020", Temperature)
{
    internal static readonly ScoreParameter Temperature = new("temperature", 1, "T", ScoreParameterRange.Positive);

    public override OodScore OfLogits(ScoreSpecification specification, double[] prior)
    {
        var temperature = specification.Values[Temperature.Name];
        return logits => OodScores.Energy(logits, temperature);
    }
}

/// <summary>The entropy of the prediction, - sum_c p_c log p_c with 0 log 0 = 0.</summary>
internal sealed class EntropyScore() : LogitScoreKind(
    "entropy", "-sum p log p, 0 log 0 = 0", "predictive entropy, as in Lakshminarayanan et al., NeurIPS 2017")
{
    public override OodScore OfLogits(ScoreSpecification specification, double[] prior) => Entropy;

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
