namespace Pascl.Training.Evaluation.Scores;

/// <summary>- max_c z_c.</summary>
internal sealed class MaximumLogitScore() : LogitScoreKind("max-logit", "-max z", "Hendrycks et al., ICML 2022")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => logits => -logits[Logits.IndexOfMaximum(logits)];
}
