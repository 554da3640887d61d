using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>The reading of a plain classifier: its outputs are the logits, and the score is a function of them.</summary>
public sealed class LogitReadout(string scoreName, string meaning, OodScore score) : Readout
{
    /// <summary>1 - max softmax probability.</summary>
    public static LogitReadout MaximumSoftmax { get; } =
        new("msp", "1 - max softmax probability of the score branch; higher = more out-of-distribution.", OodScores.MaximumSoftmax);

    /// <summary>The energy at temperature 1.</summary>
    public static LogitReadout Energy { get; } =
        new("energy", "Energy, -log sum_c exp(z_c), of the score branch's logits z; higher = more out-of-distribution.", logits => EnergyScore.Energy(logits, temperature: 1));

    /// <inheritdoc/>
    public override string ScoreName => scoreName;

    /// <inheritdoc/>
    public override string Meaning => meaning;

    /// <inheritdoc/>
    public override double Score(ReadOnlySpan<float> outputs, Branch branch) => score(outputs);
}
