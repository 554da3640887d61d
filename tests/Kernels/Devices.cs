using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>The devices that kernel tests run on: the simulator everywhere, and the first GPU where there is one. Opened once for all tests.</summary>
internal static class Devices
{
    private static readonly Dictionary<string, KernelDevice> Opened = [];

    /// <summary>For <c>[TestFixtureSource]</c>.</summary>
    public static IEnumerable<string> Names => ["simulator"];

    public static KernelDevice Get(string name)
    {
        lock (Opened)
        {
            if (!Opened.TryGetValue(name, out var device))
            {
                Opened[name] = device = KernelDevice.Open(name);
            }

            return device;
        }
    }
}
