using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>Statistics of both branches, normalisation with a rectifier and the gradients, by kernels: four launches.</summary>
internal sealed class DualBatchNormRun : DeviceRun
{
    private readonly BatchNormWorkload workload;
    private readonly BatchShape shape;
    private readonly DualBatchNorm<float> kernels;
    private readonly DeviceVector<float> input;
    private readonly DeviceVector<float> upstream;
    private readonly DeviceVector<float> output;
    private readonly DeviceBuffer<float> gradient;
    private readonly DeviceVector<float> workspace;
    private readonly DeviceVector<BatchMoments> moments;
    private readonly DualBatchNormState state;
    private readonly ChannelParameters parameters;
    private readonly ChannelParameters parameterGradients;
    private readonly ChannelStatistics main;
    private readonly ChannelStatistics auxiliary;

    public DualBatchNormRun(KernelDevice device, BatchNormWorkload workload, ReadOnlySpan<float> input, ReadOnlySpan<float> upstream)
        : base(device)
    {
        this.workload = workload;
        shape = new BatchShape(workload.Images, workload.Channels, workload.Size * workload.Size);
        kernels = new DualBatchNorm<float>(device);
        (this.input, this.upstream) = (Buffer(input).Vector, Buffer(upstream).Vector);
        output = Buffer<float>(shape.Length).Vector;
        gradient = Buffer<float>(shape.Length);
        workspace = Buffer<float>(kernels.WorkspaceLength(shape)).Vector;
        moments = Buffer<BatchMoments>(2L * shape.Channels).Vector;
        state = new DualBatchNormState(Buffer<float>(DualBatchNormState.Length(shape.Channels)).Vector);
        parameters = new(PerChannel(1), PerChannel(0));
        parameterGradients = new(PerChannel(0), PerChannel(0));
        (main, auxiliary) = (new(PerChannel(0), PerChannel(1)), new(PerChannel(0), PerChannel(1)));
    }

    public override void Launch()
    {
        kernels.Statistics(shape, input, workload.InDistributionImages, state, moments, workspace, 0.1f, main, auxiliary);
        kernels.Normalize(shape, input, state.All, parameters, output, BatchNormActivation.Rectify);
        kernels.Backward(shape, input, upstream, state.All, parameters, parameterGradients, gradient.Vector, workspace, BatchNormActivation.Rectify);
    }

    public override float[] Result() => gradient.ToArray();

    private DeviceVector<float> PerChannel(float value) => Buffer<float>([.. Enumerable.Repeat(value, workload.Channels)]).Vector;
}
