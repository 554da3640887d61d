using Pascl.Kernels.Device;
using Pascl.Training.Profiling;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Measuring;

/// <summary>What this machine measures on. The simulator of kernels is never timed: it proves results and is thousands of times too slow.</summary>
public static class BenchmarkMachine
{
    /// <summary>Category of the benchmarks that are left out where there is no GPU.</summary>
    public const string Gpu = "GPU";

    private static readonly Lazy<KernelDevice?> OpenedGpu = new(() =>
    {
        var device = KernelDevice.Open();
        if (!device.UsesHostMemory)
        {
            return device;
        }

        device.Dispose();
        return null;
    });

    private static readonly Lazy<MachineCeiling> MeasuredCeiling = new(() => MachineCeiling.Measure(Torch));

    /// <summary>The GPU that kernels run on, or null.</summary>
    public static KernelDevice? Kernels => OpenedGpu.Value;

    /// <summary>What this machine reaches at most, measured when first asked for: in the same run as what it is compared with.</summary>
    internal static MachineCeiling Ceiling => MeasuredCeiling.Value;

    /// <summary>Where torch's operations run: the GPU where this libtorch can use it.</summary>
    public static Device Torch => Kernels is not null && cuda.is_available() ? CUDA : CPU;

    /// <summary>Waits for a device; on the CPU there is nothing to wait for.</summary>
    public static void Synchronize(Device device)
    {
        if (device.type == DeviceType.CUDA)
        {
            cuda.synchronize();
        }
    }
}
