using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Losses;

/// <summary>
/// Cross entropy of the in-distribution rows plus weighted outlier exposure of the outlier rows of one matrix of logits, by torch's operations: what
/// <see cref="ObjectiveKernelLoss"/> computes by kernels.
/// </summary>
public sealed class ObjectiveTorchLoss : Module<Tensor, Tensor, LossTerms>
{
    private readonly double outlierWeight;
    private readonly OutlierExposureLoss exposure = new();
    private readonly Tensor adjustment;

    /// <summary>Creates the loss.</summary>
    /// <param name="outlierWeight">lambda of L = L_in + lambda L_out.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class: <see cref="LogitAdjustment.Of"/>; null for plain cross entropy.</param>
    public ObjectiveTorchLoss(double outlierWeight = 0, IReadOnlyList<double>? adjustment = null)
        : base(nameof(ObjectiveTorchLoss))
    {
        this.outlierWeight = outlierWeight;
        this.adjustment = tensor((adjustment ?? []).ToArray(), ScalarType.Float64).DetachFromDisposeScope(); // (C) or (0)
        RegisterComponents();
    }

    /// <summary>Computes the loss of a batch and its parts, scalars; the part of the outliers is null where there is none.</summary>
    /// <param name="logits">(R + K, C): R in-distribution rows, then K outliers.</param>
    /// <param name="labels">(R), int64.</param>
    public override LossTerms forward(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var classified = labels.shape[0];
        var outlierCount = logits.shape[0] - classified;
        var inDistribution = logits.narrow(0, 0, classified);
        inDistribution = adjustment.numel() == 0 ? inDistribution : inDistribution + adjustment.to(logits.dtype);
        var crossEntropy = functional.cross_entropy(inDistribution, labels);
        if (outlierCount == 0)
        {
            crossEntropy.MoveToOuterDisposeScope();
            return new LossTerms(crossEntropy, crossEntropy);
        }

        var outliers = exposure.forward(logits.narrow(0, classified, outlierCount));
        var total = crossEntropy + (outlierWeight * outliers);
        return new LossTerms(total.MoveToOuterDisposeScope(), crossEntropy.MoveToOuterDisposeScope(), outliers.MoveToOuterDisposeScope());
    }
}

/// <summary>
/// Cross entropy of the in-distribution rows plus weighted outlier exposure of the outlier rows of one matrix of logits, by kernels: one launch forward, one
/// backward. The same as <see cref="LogitAdjustment"/> or cross entropy, and <see cref="OutlierExposureLoss"/>, by torch's operations.
/// </summary>
/// <remarks>Graphs that contain it are run backward by <see cref="KernelGradients.Backward"/>.</remarks>
public sealed class ObjectiveKernelLoss : Module<Tensor, Tensor, LossTerms>
{
    private readonly ObjectiveLoss kernels;
    private readonly ObjectiveLossOperation operation;
    private readonly Tensor adjustment;

    /// <summary>Creates the loss.</summary>
    /// <param name="device">What the kernels run on: the device of the logits.</param>
    /// <param name="outlierWeight">lambda of L = L_in + lambda L_out.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class: <see cref="LogitAdjustment.Of"/>; null for plain cross entropy.</param>
    public ObjectiveKernelLoss(KernelDevice device, double outlierWeight = 0, IReadOnlyList<double>? adjustment = null)
        : base(nameof(ObjectiveKernelLoss))
    {
        kernels = new ObjectiveLoss(device);
        operation = new ObjectiveLossOperation(kernels, device, (float)outlierWeight);
        this.adjustment = tensor((adjustment ?? []).Select(value => (float)value).ToArray()).DetachFromDisposeScope(); // (C) or (0)
        RegisterComponents();
    }

    /// <summary>Computes the loss of a batch and its parts, scalars; the part of the outliers is null where there is none.</summary>
    /// <param name="logits">(R + K, C): R in-distribution rows, then K outliers; any floating type.</param>
    /// <param name="labels">(R), int64. A label that is not a class makes the loss NaN: the host cannot see it without waiting for the device.</param>
    public override LossTerms forward(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var losses = ObjectiveLossFunction.Losses(operation, logits.to(ScalarType.Float32), labels, adjustment); // (3)
        return new LossTerms(
            losses[0].MoveToOuterDisposeScope(),
            losses[1].MoveToOuterDisposeScope(),
            logits.shape[0] > labels.shape[0] ? losses[2].MoveToOuterDisposeScope() : null);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            kernels.Dispose();
        }

        base.Dispose(disposing);
    }
}
