namespace Pascl.Training.Evaluation.Scores;

/// <summary>The free energy - T log sum_c exp(z_c / T).</summary>
internal sealed class EnergyScore() : LogitScoreKind("energy", "-T log sum exp(z / T)", "Liu et al., NeurIPS 2020", Temperature)
{
    internal static readonly ScoreParameter Temperature = new("temperature", 1, "T", ScoreParameterRange.Positive);

    internal static double Energy(ReadOnlySpan<float> logits, double temperature) => -temperature * Softmax.LogSumExp(logits, temperature);

    internal override OodScore Of(ScoreSpecification specification, double[] prior)
    {
        var temperature = specification.Values[Temperature.Name];
        return logits => Energy(logits, temperature);
    }
}
