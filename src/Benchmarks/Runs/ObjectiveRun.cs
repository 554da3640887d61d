using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>The losses of logits and their gradient, by kernels: two launches.</summary>
internal sealed class ObjectiveRun : DeviceRun
{
    private readonly ObjectiveLoss kernels;
    private readonly DeviceMatrix<float> logits;
    private readonly DeviceVector<long> labels;
    private readonly DeviceVector<float> state;
    private readonly DeviceVector<float> losses;
    private readonly DeviceVector<float> upstream;
    private readonly DeviceBuffer<float> gradient;
    private readonly float outlierWeight;

    public ObjectiveRun(KernelDevice device, ReadOnlySpan<float> values, int classes, ReadOnlySpan<long> labels, float outlierWeight)
        : base(device)
    {
        kernels = Own(new ObjectiveLoss(device));
        this.outlierWeight = outlierWeight;
        logits = Buffer(values).Matrix(values.Length / classes, classes);
        this.labels = Buffer(labels).Vector;
        state = Buffer<float>(ObjectiveLoss.StateLength(logits.Rows)).Vector;
        losses = Buffer<float>(ObjectiveLoss.Losses).Vector;
        upstream = Buffer<float>([1, 0, 0]).Vector;
        gradient = Buffer<float>(values.Length);
    }

    public override void Launch()
    {
        kernels.Forward(logits, labels, default, outlierWeight, state, losses);
        kernels.Backward(logits, labels, default, outlierWeight, state, upstream, gradient.Matrix(logits.Rows, logits.Columns));
    }

    public override float[] Result() => gradient.ToArray();
}
