using Pascl.Training.Data;
using Pascl.Training.Model;
using Pascl.Training.Reporting;
using static TorchSharp.torch;

namespace Pascl.Training.Loss;

/// <summary>The second phase of EAT: the sum over the heads of the logit-adjusted cross entropy of the in-distribution images.</summary>
internal sealed class EatSecondObjective : Objective
{
    private readonly AbstentionHeads heads;
    private readonly Tensor adjustment;

    /// <summary>Creates the objective.</summary>
    /// <param name="heads">The heads.</param>
    /// <param name="adjustment">(C) or (C + k): tau log prior of the columns.</param>
    /// <param name="device">Where the outputs are.</param>
    public EatSecondObjective(AbstentionHeads heads, double[] adjustment, Device device)
    {
        this.heads = heads;
        this.adjustment = tensor(adjustment, device: device).DetachFromDisposeScope();
    }

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution"];

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var loss = heads.Adjusted(output.Logits, batch.Labels, adjustment);
        return new LossTerms(loss, loss);
    }

    public override void Dispose()
    {
        adjustment.Dispose();
        base.Dispose();
    }
}
