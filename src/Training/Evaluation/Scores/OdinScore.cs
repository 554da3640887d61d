namespace Pascl.Training.Evaluation.Scores;

/// <summary>1 - max_c softmax(z(x~) / T)_c with x~ of <see cref="InputPerturbation"/>.</summary>
internal sealed class OdinScore() : ScoreKind(
    "odin",
    "1 - max softmax(z(x~) / T), x~ = x - epsilon sign( dCE(z / T, argmax z) / dx ), sign 0 = 0, x in [0, 1], x~ not clipped",
    "Liang, Li and Srikant, ICLR 2018",
    InputPerturbation.Temperature,
    InputPerturbation.Epsilon(0.0014))
{
    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting) =>
        pass => Scores(specification, fitting, pass);

    internal static double[] Scores(ScoreSpecification specification, ScoreFitting fitting, FeaturePass pass)
    {
        var temperature = specification.Values[InputPerturbation.Temperature.Name];
        return InputPerturbation.Logits(fitting.Model, pass, specification).Scores(logits => OodScores.MaximumSoftmax(logits, temperature));
    }
}
