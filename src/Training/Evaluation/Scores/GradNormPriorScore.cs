namespace Pascl.Training.Evaluation.Scores;

/// <summary>- sum_j |f_j| * sum_c |p_c - pi_c|: GradNorm with the class prior in the place of the uniform distribution.</summary>
internal sealed class GradNormPriorScore() : ScoreKind("gradnorm-prior", "-(sum |f|) (sum |p - pi|)", "RP+GradNorm of Jiang et al., ICML 2023")
{
    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting) =>
        pass => GradNormScore.Scores(pass, fitting.Prior);
}
