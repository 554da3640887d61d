using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class GpuTests
{
    [Test]
    public void every_kernel_test_also_ran_on_a_gpu()
    {
        if (Devices.WhyNoGpu is { } reason)
        {
            Assert.Ignore(reason);
        }

        Assert.That(Devices.Names, Does.Contain("cuda:0"));
    }

    [Test]
    public void every_kernel_is_accepted_by_the_driver()
    {
        if (Devices.WhyNoGpu is { } reason)
        {
            Assert.Ignore(reason);
        }

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
