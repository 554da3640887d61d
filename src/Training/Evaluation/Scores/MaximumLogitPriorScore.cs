namespace Pascl.Training.Evaluation.Scores;

/// <summary>- max_c z_c * (1 - cos(p, pi)): a high logit counts less where the prediction looks like the class prior.</summary>
internal sealed class MaximumLogitPriorScore() : LogitScoreKind(
    "max-logit-prior",
    "-max z * (1 - cos(p, pi)); where max z is negative the factor reverses the order",
    "the reweighting (RW) of Jiang et al., ICML 2023, applied here to the maximum logit")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => logits =>
        -logits[Logits.IndexOfMaximum(logits)] * ClassPrior.Dissimilarity(Softmax.Of(logits), prior);
}
