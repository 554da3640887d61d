using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>The loss of similarities and its gradient, by kernels.</summary>
internal sealed class MaskedLossRun : DeviceRun
{
    private readonly MaskedLoss kernels;
    private readonly DeviceMatrix<float> similarity;
    private readonly DeviceVector<int> labels;
    private readonly DeviceVector<float> state;
    private readonly DeviceVector<float> loss;
    private readonly DeviceVector<float> one;
    private readonly DeviceBuffer<float> gradient;

    public MaskedLossRun(KernelDevice device, ReadOnlySpan<float> values, ReadOnlySpan<int> classes, MaskedLossVariant variant)
        : base(device)
    {
        kernels = Own(new MaskedLoss(device, variant));
        similarity = Buffer(values).Matrix(classes.Length, values.Length / classes.Length);
        labels = Buffer(classes).Vector;
        state = Buffer<float>(MaskedLoss.StateLength(classes.Length)).Vector;
        loss = Buffer<float>(1).Vector;
        one = Buffer<float>([1f]).Vector;
        gradient = Buffer<float>(values.Length);
    }

    public override void Launch()
    {
        kernels.Forward(similarity, labels, default, state, loss);
        kernels.Backward(similarity, labels, default, state, one, gradient.Matrix(similarity.Rows, similarity.Columns));
    }

    public override float[] Result() => gradient.ToArray();
}
