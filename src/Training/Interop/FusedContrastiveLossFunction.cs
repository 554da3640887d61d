using Pascl.Kernels;
using Pascl.Kernels.Device;
using static TorchSharp.torch;

namespace Pascl.Training.Interop;

/// <summary><see cref="FusedContrastiveLoss"/> as a differentiable operation on tensors.</summary>
internal sealed class FusedContrastiveLossFunction : KernelFunction<FusedContrastiveLossFunction>
{
    private const string Operation = "operation";
    private const string Images = "images";

    /// <summary>Computes the loss, a scalar.</summary>
    /// <param name="operation">The kernels.</param>
    /// <param name="features">(2N + K, width), float32.</param>
    /// <param name="labels">(N), int64; has no gradient, nor have the others.</param>
    /// <param name="isTailClass">(C), bool.</param>
    /// <param name="classWeights">(C), float32.</param>
    public static Tensor Loss(FusedContrastiveLossOperation operation, Tensor features, Tensor labels, Tensor isTailClass, Tensor classWeights) =>
        Apply(features, labels, isTailClass, classWeights, operation)[0];

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (features, labels, isTailClass, classWeights) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3]);
        var operation = (FusedContrastiveLossOperation)arguments[4];
        var matrix = TensorMemory.Matrix<float>(features, operation.Device);
        var images = (int)labels.shape[0];
        var state = empty(operation.Kernels.StateLength(images, matrix.Rows - (2 * images), matrix.Columns), ScalarType.Float32, features.device);
        var loss = empty([], ScalarType.Float32, features.device);
        operation.Kernels.Forward(
            matrix,
            TensorMemory.Vector<long>(labels, operation.Device),
            TensorMemory.Vector<byte>(isTailClass, operation.Device),
            TensorMemory.Vector<float>(classWeights, operation.Device),
            TensorMemory.Vector<float>(loss, operation.Device),
            TensorMemory.Vector<float>(state, operation.Device));

        // Torch takes its reference after this method, in whose scope the state was made, but before the end of the scope around it.
        context.save_for_backward([features, state.MoveToOuterDisposeScope()]);
        context.save_data(Operation, operation);
        context.save_data(Images, images);
        return [loss];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
    {
        var (features, state) = (saved[0], saved[1]);
        var operation = (FusedContrastiveLossOperation)context.get_data(Operation);
        var gradient = empty(features.shape, ScalarType.Float32, features.device);
        operation.Kernels.Backward(
            TensorMemory.Matrix<float>(features, operation.Device),
            (int)context.get_data(Images),
            TensorMemory.Vector<float>(gradients[0]!, operation.Device),
            TensorMemory.Vector<float>(state, operation.Device),
            TensorMemory.Matrix<float>(gradient, operation.Device));
        return [gradient, null, null, null, null];
    }
}

/// <summary>The kernels of the contrastive loss and where they run.</summary>
/// <param name="Kernels">The kernels.</param>
/// <param name="Device">What they run on.</param>
internal sealed record FusedContrastiveLossOperation(FusedContrastiveLoss Kernels, KernelDevice Device);
