using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using Pascl.Training.Reporting;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>Cross entropy of the in-distribution rows, with outlier exposure where the batch has outliers: L = L_in + lambda1 L_out.</summary>
internal sealed class LogitObjective : Objective
{
    private readonly Module<Tensor, Tensor, LossTerms> loss;
    private readonly long? columns;

    /// <summary>Creates the objective.</summary>
    /// <param name="device">What it computes on: by kernels where the device has them.</param>
    /// <param name="outlierWeight">lambda1; null without outliers.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class; null for plain cross entropy.</param>
    /// <param name="columns">The first so many outputs are the logits of the classes; null where all are.</param>
    public LogitObjective(ComputeDevice device, double? outlierWeight = null, double[]? adjustment = null, long? columns = null)
    {
        this.columns = columns;
        TermNames = outlierWeight is null ? ["total", "in-distribution"] : ["total", "in-distribution", "outliers"];
        Module<Tensor, Tensor, LossTerms> objective = device.Kernels is { } kernels
            ? new ObjectiveKernelLoss(kernels, outlierWeight ?? 0, adjustment)
            : new ObjectiveTorchLoss(outlierWeight ?? 0, adjustment);
        loss = objective.to(device.Torch);
    }

    public override IReadOnlyList<string> TermNames { get; }

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        return loss.forward(columns is { } first && first < output.Logits.shape[1] ? output.Logits.narrow(1, 0, first).contiguous() : output.Logits, labels);
    }

    public override void Dispose()
    {
        loss.Dispose();
        base.Dispose();
    }
}
