using Pascl.Kernels;
using Pascl.Kernels.Device;
using Half = ILGPU.Half;

namespace Pascl.Training.Interop;

/// <summary>BatchNorm's kernels for tensors of each type, compiled when the first such tensor comes.</summary>
internal sealed class DualBatchNormKernelSet(KernelDevice device) : IDisposable
{
    private readonly Lazy<DualBatchNorm<float>> singles = new(() => new DualBatchNorm<float>(device));
    private readonly Lazy<DualBatchNorm<Half>> halves = new(() => new DualBatchNorm<Half>(device));
    private readonly Lazy<DualBatchNorm<BFloat16>> brainFloats = new(() => new DualBatchNorm<BFloat16>(device));

    public KernelDevice Device { get; } = device;

    public DualBatchNorm<float> Singles => singles.Value;

    public DualBatchNorm<Half> Halves => halves.Value;

    public DualBatchNorm<BFloat16> BrainFloats => brainFloats.Value;

    public void Dispose()
    {
        Free(singles);
        Free(halves);
        Free(brainFloats);
    }

    private static void Free<T>(Lazy<DualBatchNorm<T>> kernels)
        where T : unmanaged
    {
        if (kernels.IsValueCreated)
        {
            kernels.Value.Dispose();
        }
    }
}
