namespace Pascl.Training.Evaluation.Scores;

/// <summary>- max_c softmax(z(x~) / T)_c * (1 - cos(p(x), pi)): ODIN counts less where the prediction looks like the class prior.</summary>
internal sealed class OdinPriorScore() : ScoreKind(
    "odin-prior",
    "-max softmax(z(x~) / T) * (1 - cos(p, pi)), p of the unchanged image at T = 1",
    "RW+ODIN of Jiang et al., ICML 2023",
    InputPerturbation.Temperature,
    InputPerturbation.Epsilon(0))
{
    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting) => pass =>
    {
        var unlike = pass.Predictions.Main.Scores(logits => ClassPrior.Dissimilarity(Softmax.Of(logits), fitting.Prior));
        return [.. OdinScore.Scores(specification, fitting, pass).Zip(unlike, (odin, factor) => (odin - 1) * factor)];
    };
}
