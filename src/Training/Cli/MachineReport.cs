using System.Runtime.InteropServices;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using TorchSharp;

namespace Pascl.Training.Cli;

/// <summary>What decides how fast, and whether, this machine trains.</summary>
internal static class MachineReport
{
    /// <summary>Everything.</summary>
    public static IEnumerable<(string Name, string Value)> Rows() => Parts().Append(("backends", string.Join(", ", Backends())));

    /// <summary>The machine without a look at what kernels could run on, which takes a moment.</summary>
    public static IEnumerable<(string Name, string Value)> Parts()
    {
        var native = NativeLibTorch.EnsureLoaded();
        return
        [
            ("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}"),
            ("CPU", $"{CpuModel()} ({string.Join(", ", CpuFeatures.Names.DefaultIfEmpty("no vector features"))})"),
            ("cores", $"{Environment.ProcessorCount}, torch computes with {torch.get_num_threads()} threads"),
            ("waiting threads", native.WaitPolicy),
            ("memory", $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30):0.0} GiB"),
            ("TorchSharp", $"{typeof(torch).Assembly.GetName().Version?.ToString(3)}, {native.ShimPath}: {native.Status}"),
            ("libtorch", $"{LibTorchBuild.Version} ({LibTorchBuild.CpuCapability}), {native.LibTorchFolder}"),
        ];
    }

    private static IEnumerable<string> Backends()
    {
        yield return "torch on the CPU";
        for (var device = 0; torch.cuda.is_available() && device < torch.cuda.device_count(); device++)
        {
            yield return $"torch on cuda:{device}";
        }

        yield return Kernels();
    }

    private static string Kernels()
    {
        try
        {
            using var device = KernelDevice.Open();
            return $"ILGPU kernels on {device.Name}";
        }
        catch (DeviceException exception)
        {
            return $"no ILGPU kernels: {exception.Message}";
        }
    }

    private static string CpuModel()
    {
        const string cpus = "/proc/cpuinfo";
        var lines = File.Exists(cpus) ? File.ReadLines(cpus) : [];
        var model = lines.FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        return model?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
