using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation;

/// <summary>How a method reads a branch's outputs of one image: the logits of the classes, and the out-of-distribution score.</summary>
public abstract class Readout
{
    /// <summary>Name of the score, for example <c>msp</c>.</summary>
    public abstract string ScoreName { get; }

    /// <summary>What the score is, as a sentence of the report.</summary>
    public abstract string Meaning { get; }

    /// <summary>The branch whose score is the deployed one.</summary>
    public virtual Branch ScoreBranch => Branch.Main;

    /// <summary>The reading of a network's method, by the class shares that the network keeps now.</summary>
    public static Readout Of(DualBranchNetwork model)
    {
        using var scope = NewDisposeScope();
        return model.Head.Readout(model.Method?.ClassShares?.cpu().data<double>().ToArray() ?? []);
    }

    /// <summary>The score of an image: higher = more out-of-distribution.</summary>
    /// <param name="outputs">The outputs of the branch's classifier.</param>
    /// <param name="branch">The branch.</param>
    public abstract double Score(ReadOnlySpan<float> outputs, Branch branch);

    /// <summary>The logits of the classes: the highest names the class.</summary>
    /// <param name="outputs">The outputs of the branch's classifier.</param>
    /// <param name="branch">The branch.</param>
    /// <param name="logits">C numbers to fill.</param>
    public virtual void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits) => outputs.CopyTo(logits);
}

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
