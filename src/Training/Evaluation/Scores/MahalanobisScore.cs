namespace Pascl.Training.Evaluation.Scores;

/// <summary>min_c (f - mu_c)' Sigma^-1 (f - mu_c), see <see cref="ClassGaussians"/>; on f itself or on f / |f|.</summary>
internal sealed class MahalanobisScore(bool normalised) : ScoreKind(
    normalised ? "mahalanobis-normalised" : "mahalanobis",
    $"min_c (u - mu_c)' Sigma^-1 (u - mu_c), u = {(normalised ? "f / max(|f|, 1e-12)" : "f")}; mu_c class means and Sigma = (1/N) sum (u - mu_y)(u - mu_y)' " +
    "of the training images; a singular Sigma gets 1e-6 tr(Sigma)/d on its diagonal, one of zeros is replaced by the identity",
    "Lee et al., NeurIPS 2018, last layer, inputs not perturbed" + (normalised ? "; features normalised" : ""))
{
    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var gaussians = ClassGaussians.Fit(fitting.TrainingPass, normalised);
        return pass => gaussians.SmallestDistances(pass.Features);
    }
}
