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
    private readonly double labelSmoothing;
    private readonly OutlierExposureLoss exposure = new();
    private readonly Tensor adjustment;

    /// <summary>Creates the loss.</summary>
    /// <param name="outlierWeight">lambda of L = L_in + lambda L_out.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class: <see cref="LogitAdjustment.Of"/>; null for plain cross entropy.</param>
    /// <param name="labelSmoothing">
    /// S: the cross entropy is (1 - S) of that to the label and S of that to the uniform distribution (Szegedy et al., CVPR 2016), as torch's <c>label_smoothing</c>.
    /// </param>
    public ObjectiveTorchLoss(double outlierWeight = 0, IReadOnlyList<double>? adjustment = null, double labelSmoothing = 0)
        : base(nameof(ObjectiveTorchLoss))
    {
        (this.outlierWeight, this.labelSmoothing) = (outlierWeight, labelSmoothing);
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
        var crossEntropy = functional.cross_entropy(inDistribution, labels, label_smoothing: labelSmoothing);
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
    private readonly Tensor none = empty(0, ScalarType.Float32).DetachFromDisposeScope();
    private readonly double labelSmoothing;

    /// <summary>Creates the loss.</summary>
    /// <param name="device">What the kernels run on: the device of the logits.</param>
    /// <param name="outlierWeight">lambda of L = L_in + lambda L_out.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class: <see cref="LogitAdjustment.Of"/>; null for plain cross entropy.</param>
    /// <param name="labelSmoothing">S, as that of <see cref="ObjectiveTorchLoss"/>; above 0 it takes a launch more each way.</param>
    public ObjectiveKernelLoss(KernelDevice device, double outlierWeight = 0, IReadOnlyList<double>? adjustment = null, double labelSmoothing = 0)
        : base(nameof(ObjectiveKernelLoss))
    {
        kernels = new ObjectiveLoss(device);
        operation = new ObjectiveLossOperation(kernels, device, (float)outlierWeight);
        this.labelSmoothing = labelSmoothing;
        this.adjustment = tensor((adjustment ?? []).Select(value => (float)value).ToArray()).DetachFromDisposeScope(); // (C) or (0)
        RegisterComponents();
    }

    /// <summary>Computes the loss of a batch and its parts, scalars; the part of the outliers is null where there is none.</summary>
    /// <param name="logits">(R + K, C): R in-distribution rows, then K outliers; any floating type.</param>
    /// <param name="labels">(R), int64. A label that is not a class makes the loss NaN: the host cannot see it without waiting for the device.</param>
    public override LossTerms forward(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var single = logits.to(ScalarType.Float32);
        var losses = ObjectiveLossFunction.Losses(operation, single, labels, adjustment); // (3)
        var (total, inDistribution) = labelSmoothing == 0 ? (losses[0], losses[1]) : Smoothed(losses, single, labels);
        return new LossTerms(
            total.MoveToOuterDisposeScope(),
            inDistribution.MoveToOuterDisposeScope(),
            logits.shape[0] > labels.shape[0] ? losses[2].MoveToOuterDisposeScope() : null);
    }

    // The cross entropy to the uniform distribution is what the kernels compute of outliers: rows without labels.
    private (Tensor Total, Tensor InDistribution) Smoothed(Tensor losses, Tensor logits, Tensor labels)
    {
        var rows = logits.narrow(0, 0, labels.shape[0]);
        rows = adjustment.numel() == 0 ? rows : rows + adjustment;
        var uniform = ObjectiveLossFunction.Losses(operation, rows, labels.narrow(0, 0, 0), none)[2];
        var smoothed = losses[1] + (labelSmoothing * (uniform - losses[1]));
        return (smoothed + (operation.OutlierWeight * losses[2]), smoothed);
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

/// <summary>
/// Logit-adjusted cross entropy (Menon et al., ICLR 2021): cross entropy of z + tau * log(prior), the prior being each class's share of the training images.
/// Training with it makes the plain z a prediction for equally frequent classes.
/// </summary>
public sealed class LogitAdjustment : Module<Tensor, Tensor, Tensor>
{
    private readonly Tensor adjustment;

    /// <summary>Creates the loss for a classification task with C classes.</summary>
    /// <param name="trainingCounts">C numbers of training images, each above 0.</param>
    /// <param name="tau">Strength of the adjustment; 1 is consistent for balanced error, 0 is plain cross entropy.</param>
    public LogitAdjustment(IReadOnlyList<int> trainingCounts, double tau = 1)
        : base(nameof(LogitAdjustment))
    {
        adjustment = tensor(Of(trainingCounts, tau)).DetachFromDisposeScope(); // (C), float64
        RegisterComponents();
    }

    /// <summary>What is added to the logits of C classes: tau * log(prior).</summary>
    /// <param name="trainingCounts">C numbers of training images, each above 0.</param>
    /// <param name="tau">Strength of the adjustment.</param>
    public static double[] Of(IReadOnlyList<int> trainingCounts, double tau = 1)
    {
        if (trainingCounts.Any(count => count <= 0))
        {
            throw new ArgumentException($"The training counts are {string.Join(" ", trainingCounts)}; every class needs an image.", nameof(trainingCounts));
        }

        double total = trainingCounts.Sum(count => (long)count);
        return [.. trainingCounts.Select(count => tau * Math.Log(count / total))];
    }

    /// <summary>Computes the loss of a batch, a scalar.</summary>
    /// <param name="logits">(N, C).</param>
    /// <param name="labels">(N), int64.</param>
    public override Tensor forward(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return functional.cross_entropy(logits + adjustment.to(logits.dtype), labels).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Outlier exposure (Hendrycks et al., ICLR 2019): the cross entropy of an outlier's prediction to the uniform distribution,
/// mean over rows of ( logsumexp(z) - mean(z) ).
/// </summary>
public sealed class OutlierExposureLoss() : Module<Tensor, Tensor>(nameof(OutlierExposureLoss))
{
    /// <summary>Computes the loss of a batch, a scalar.</summary>
    /// <param name="input">(K, C): the logits of K outliers, at least one.</param>
    public override Tensor forward(Tensor input)
    {
        if (input.dim() != 2 || input.shape[0] == 0)
        {
            throw new ArgumentException($"The logits are ({string.Join(", ", input.shape)}); they must be (outliers, classes) with at least one outlier.", nameof(input));
        }

        using var scope = NewDisposeScope();
        return (input.logsumexp(1) - input.mean([1])).mean().MoveToOuterDisposeScope();
    }
}

/// <summary><see cref="ObjectiveLoss"/> as a differentiable operation on tensors.</summary>
internal sealed class ObjectiveLossFunction : KernelFunction<ObjectiveLossFunction>
{
    private const string Operation = "operation";

    /// <summary>Computes L, L_in and L_out, (3): one result rather than three, so that none can lack a gradient.</summary>
    /// <param name="operation">The kernels and what they are called with.</param>
    /// <param name="logits">(R + K, C), float32.</param>
    /// <param name="labels">(R), int64.</param>
    /// <param name="adjustment">(C) or (0), float32; has no gradient.</param>
    public static Tensor Losses(ObjectiveLossOperation operation, Tensor logits, Tensor labels, Tensor adjustment) =>
        Apply(logits, labels, adjustment, operation)[0];

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (logits, labels, adjustment) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2]);
        var operation = (ObjectiveLossOperation)arguments[3];
        var matrix = TensorMemory.Matrix<float>(logits, operation.Device);
        var state = empty(ObjectiveLoss.StateLength(matrix.Rows), ScalarType.Float32, logits.device);
        var losses = empty(ObjectiveLoss.Losses, ScalarType.Float32, logits.device);
        operation.Kernels.Forward(
            matrix,
            TensorMemory.Vector<long>(labels, operation.Device),
            TensorMemory.Vector<float>(adjustment, operation.Device),
            operation.OutlierWeight,
            TensorMemory.Vector<float>(state, operation.Device),
            TensorMemory.Vector<float>(losses, operation.Device));

        // Torch takes its reference after this method, in whose scope the state was made, but before the end of the scope around it.
        context.save_for_backward([logits, labels, adjustment, state.MoveToOuterDisposeScope()]);
        context.save_data(Operation, operation);
        return [losses];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
    {
        var (logits, labels, adjustment, state) = (saved[0], saved[1], saved[2], saved[3]);
        var operation = (ObjectiveLossOperation)context.get_data(Operation);
        var gradient = empty(logits.shape, ScalarType.Float32, logits.device);
        operation.Kernels.Backward(
            TensorMemory.Matrix<float>(logits, operation.Device),
            TensorMemory.Vector<long>(labels, operation.Device),
            TensorMemory.Vector<float>(adjustment, operation.Device),
            operation.OutlierWeight,
            TensorMemory.Vector<float>(state, operation.Device),
            TensorMemory.Vector<float>(gradients[0]!, operation.Device),
            TensorMemory.Matrix<float>(gradient, operation.Device));
        return [gradient, null, null, null];
    }
}

/// <summary>The kernels of an objective, and what they are called with beside tensors.</summary>
/// <param name="Kernels">The kernels.</param>
/// <param name="Device">What they run on.</param>
/// <param name="OutlierWeight">Weight of L_out.</param>
internal sealed record ObjectiveLossOperation(ObjectiveLoss Kernels, KernelDevice Device, float OutlierWeight);
