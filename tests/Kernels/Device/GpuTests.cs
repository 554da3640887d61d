using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class GpuTests
{
    [Test]
    public void every_kernel_test_also_ran_on_a_gpu_whose_driver_accepts_every_kernel()
    {
        if (Devices.WhyNoGpu is { } reason)
        {
            Assert.Ignore($"{reason} Run the tests on a machine with an NVIDIA GPU and its driver; build.ps1 bundle packs them for one without .NET.");
        }

        Assert.That(Devices.Names, Does.Contain("cuda:0"));
        var device = Devices.Get("cuda:0");
        Assert.Multiple(() =>
        {
            foreach (var kernel in KernelDefinition.All())
            {
                Assert.That(() => device.Load(kernel), Throws.Nothing, kernel.Name);
            }
        });
    }
}
