namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// - sum_j |f_j| * sum_c |p_c - 1/C|: the L1 norm of the gradient of the cross entropy to the uniform distribution with respect to the weights of the
/// classifier, which is (p - 1/C) f', so that no gradient need be computed.
/// </summary>
internal sealed class GradNormScore() : ScoreKind(
    "gradnorm", "-(sum |f|) (sum |p - 1/C|)", "Huang, Geng and Li, NeurIPS 2021, in closed form for the last layer")
{
    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var uniform = fitting.Prior.Select(_ => 1.0 / fitting.Prior.Length).ToArray();
        return pass => Scores(pass, uniform);
    }

    /// <summary>The score with another distribution in the place of the uniform one.</summary>
    internal static double[] Scores(FeaturePass pass, double[] reference)
    {
        var scores = new double[pass.Features.Count];
        for (var i = 0; i < scores.Length; i++)
        {
            var norm = 0.0;
            foreach (var feature in pass.Features[i])
            {
                norm += Math.Abs((double)feature);
            }

            scores[i] = -norm * Softmax.Of(pass.Predictions.Main[i]).Zip(reference, (p, q) => Math.Abs(p - q)).Sum();
        }

        return scores;
    }
}
