using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>
/// The devices that kernel tests run on: the simulator and the PTX machine everywhere, and the first GPU where there is one. Opened once for all tests. The
/// environment variable PASCL_PTX_SEED draws another order of the machine's warps and blocks.
/// </summary>
internal static class Devices
{
    private static readonly Dictionary<string, KernelDevice> Opened = [];

    /// <summary>For <c>[TestFixtureSource]</c>.</summary>
    public static IEnumerable<string> Names => WhyNoGpu is null ? ["simulator", "ptx", "cuda:0"] : ["simulator", "ptx"];

    /// <summary>Those that run what a GPU gets, in the shapes that it gets: blocks of 128 or 256 threads, where the simulator has 32.</summary>
    public static IEnumerable<string> OfGpuCode => Names.Skip(1);

    /// <summary>Why nothing runs on a GPU, or null where it does.</summary>
    public static string? WhyNoGpu { get; } = FindGpu();

    public static KernelDevice Get(string name)
    {
        lock (Opened)
        {
            if (!Opened.TryGetValue(name, out var device))
            {
                Opened[name] = device = KernelDevice.Open(name == "ptx" ? $"ptx:{Environment.GetEnvironmentVariable("PASCL_PTX_SEED") ?? "0"}" : name);
            }

            return device;
        }
    }

    private static string? FindGpu()
    {
        try
        {
            Get("cuda:0");
            return null;
        }
        catch (DeviceException exception)
        {
            return exception.Message;
        }
    }
}
