using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using TorchSharp;

namespace Pascl.Training.Loss;

/// <summary>L = L_in + lambda1 L_out + lambda2 L_con over one joint batch [view 1; view 2; outliers].</summary>
internal sealed class PasclObjective : Objective
{
    private readonly LogitObjective logits;
    private readonly PasclLoss contrast;
    private readonly double contrastWeight;

    /// <summary>Creates the objective.</summary>
    /// <param name="weights">lambda1, lambda2 and the temperature.</param>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="device">What it computes on.</param>
    /// <param name="classWeights">(C) weights of the contrastive loss's anchors by class; 1 for each class where it is null.</param>
    public PasclObjective(LossRecipe weights, bool[] tailFlags, ComputeDevice device, IReadOnlyList<double>? classWeights = null)
    {
        logits = new LogitObjective(device, weights.OutlierWeight);
        contrast = new PasclLoss(tailFlags, weights.Temperature, classWeights, device.Kernels).to(device.Torch);
        contrastWeight = weights.ContrastiveWeight;
        TermNames = [.. logits.TermNames, "contrastive"];
    }

    public override IReadOnlyList<string> TermNames { get; }

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        var terms = logits.Terms(output, batch, clock);
        clock?.Begin(StepPart.ContrastiveLoss);
        var contrastive = contrast.forward(output.Projection, batch.Labels);
        return terms with { Total = terms.Total + (contrastWeight * contrastive), Further = [contrastive] };
    }

    public override void Dispose()
    {
        logits.Dispose();
        contrast.Dispose();
        base.Dispose();
    }
}
