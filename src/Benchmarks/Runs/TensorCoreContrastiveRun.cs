using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>The contrastive loss and its gradient by <see cref="TensorCoreContrastiveLoss"/>, of the rows that take part.</summary>
internal sealed class TensorCoreContrastiveRun : DeviceRun
{
    private readonly TensorCoreContrastiveLoss kernels;
    private readonly TensorCoreContrastiveBatch batch;
    private readonly DeviceVector<uint> state;
    private readonly DeviceVector<uint> workspace;
    private readonly DeviceVector<float> one;
    private readonly DeviceVector<float> loss;
    private readonly DeviceBuffer<float> gradient;

    public TensorCoreContrastiveRun(KernelDevice device, LossBatch values)
        : base(device)
    {
        var workload = values.Workload;
        kernels = Own(new TensorCoreContrastiveLoss(device, workload.Width));
        var rows = Buffer<float>(values.ParticipantValues).Matrix(workload.Contrasts, workload.Width);
        batch = new TensorCoreContrastiveBatch(rows, Buffer<int>(values.AnchorClasses).Vector, default, workload.Classes, (float)workload.Temperature);
        state = Buffer<uint>(kernels.StateLength(workload.Anchors, workload.Outliers, workload.Classes)).Vector;
        workspace = Buffer<uint>(kernels.WorkspaceLength(workload.Anchors, workload.Outliers)).Vector;
        one = Buffer<float>([1f]).Vector;
        loss = Buffer<float>(1).Vector;
        gradient = Buffer<float>((long)workload.Contrasts * workload.Width);
    }

    public override void Launch()
    {
        kernels.Forward(batch, state, workspace, loss);
        kernels.Backward(batch, state, workspace, one, gradient.Matrix(batch.Rows.Rows, batch.Rows.Columns));
    }

    public override float[] Result() => gradient.ToArray();
}
