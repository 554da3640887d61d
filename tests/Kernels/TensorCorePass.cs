using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>A batch in device memory for the contrastive loss on tensor cores, whose backward pass may come later than another batch's forward pass.</summary>
internal sealed class TensorCorePass : IDisposable
{
    /// <summary>Two bfloat16 that are no numbers: nothing may be read that was not written before.</summary>
    public const uint Poison = 0x7FC0_7FC0;

    private readonly TensorCoreContrastiveLoss operation;
    private readonly TensorCoreContrastiveBatch batch;
    private readonly MatrixBuffer rows;
    private readonly MatrixBuffer gradients;
    private readonly GuardedBuffer<int> labels;
    private readonly GuardedBuffer<float> weights;
    private readonly GuardedBuffer<float> upstream;
    private readonly GuardedBuffer<float> result;
    private readonly DeviceBuffer<uint> state;

    /// <summary>Uploads a batch.</summary>
    /// <param name="device">Where.</param>
    /// <param name="operation">What computes.</param>
    /// <param name="inputs">The batch.</param>
    /// <param name="scale">The gradient with respect to the loss.</param>
    /// <param name="gap">Elements between a row and the next.</param>
    /// <param name="offset">Elements by which all miss an alignment of 256 bytes.</param>
    public TensorCorePass(KernelDevice device, TensorCoreContrastiveLoss operation, ContrastiveCase inputs, float scale = 1, int gap = 0, int offset = 0)
    {
        this.operation = operation;
        var outliers = inputs.Count - inputs.Anchors;
        rows = new(device, inputs.Count, inputs.Width, inputs.RowsInDouble, gap, offset);
        gradients = new(device, inputs.Count, inputs.Width, null, gap, offset);
        labels = new(device, inputs.Labels, offset);
        weights = new(device, inputs.Weights, offset);
        upstream = new(device, [scale], offset);
        result = new(device, 1, offset);
        state = device.Allocate<uint>([.. Enumerable.Repeat(Poison, (int)operation.StateLength(inputs.Anchors, outliers, inputs.Classes))]);
        batch = new TensorCoreContrastiveBatch(rows.Matrix, labels.Vector, weights.Vector, inputs.Classes, inputs.Temperature);
        WorkspaceLength = operation.WorkspaceLength(inputs.Anchors, outliers);
    }

    public long WorkspaceLength { get; }

    public void Forward(DeviceVector<uint> workspace) => operation.Forward(batch, state.Vector, workspace, result.Vector);

    public (float Loss, float[] Gradient) Backward(DeviceVector<uint> workspace)
    {
        operation.Backward(batch, state.Vector, workspace, upstream.Vector, gradients.Matrix);
        return (result.Read()[0], gradients.Read());
    }

    public void Dispose()
    {
        rows.Dispose();
        gradients.Dispose();
        labels.Dispose();
        weights.Dispose();
        upstream.Dispose();
        result.Dispose();
        state.Dispose();
    }
}
