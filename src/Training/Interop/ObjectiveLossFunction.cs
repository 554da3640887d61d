using Pascl.Kernels;
using Pascl.Kernels.Device;
using static TorchSharp.torch;

namespace Pascl.Training.Interop;

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
