using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>The contrastive loss of a whole batch and its gradient by <see cref="FusedContrastiveLoss"/>: two launches.</summary>
internal sealed class FusedContrastiveRun : DeviceRun
{
    private readonly FusedContrastiveLoss kernels;
    private readonly DeviceMatrix<float> features;
    private readonly DeviceVector<long> labels;
    private readonly DeviceVector<byte> flags;
    private readonly DeviceVector<float> weights;
    private readonly DeviceVector<float> one;
    private readonly DeviceVector<float> loss;
    private readonly DeviceVector<float> state;
    private readonly DeviceBuffer<float> gradient;

    public FusedContrastiveRun(KernelDevice device, LossBatch batch)
        : base(device)
    {
        var workload = batch.Workload;
        kernels = Own(new FusedContrastiveLoss(device, workload.Temperature));
        features = Buffer<float>(batch.Values).Matrix(workload.Rows, workload.Width);
        labels = Buffer<long>(batch.Classes).Vector;
        flags = Buffer<byte>(Array.ConvertAll(workload.IsTailClass, isTail => isTail ? (byte)1 : (byte)0)).Vector;
        weights = Buffer<float>([.. Enumerable.Repeat(1f, workload.Classes)]).Vector;
        one = Buffer<float>([1f]).Vector;
        loss = Buffer<float>(1).Vector;
        state = Buffer<float>(kernels.StateLength(workload.Images, workload.Outliers, workload.Width)).Vector;
        gradient = Buffer<float>((long)workload.Rows * workload.Width);
    }

    public override void Launch()
    {
        kernels.Forward(features, labels, flags, weights, loss, state);
        kernels.Backward(features, (int)labels.Length, one, state, gradient.Matrix(features.Rows, features.Columns));
    }

    public override float[] Result() => gradient.ToArray();
}
