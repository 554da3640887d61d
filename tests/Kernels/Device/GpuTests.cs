using System.Reflection;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class GpuTests
{
    [Test]
    public void every_fixture_that_opens_a_device_by_name_runs_on_all_of_them()
    {
        var fixtures = typeof(GpuTests).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(Devices).Namespace)
            .Where(type => type.GetProperty("Device", BindingFlags.Instance | BindingFlags.NonPublic)?.PropertyType == typeof(KernelDevice))
            .ToArray();
        Assert.That(fixtures, Does.Contain(typeof(DualBatchNormTests)).And.Contain(typeof(FusedContrastiveLossTests)));
        using (Assert.EnterMultipleScope())
        {
            foreach (var fixture in fixtures)
            {
                var source = fixture.GetCustomAttribute<TestFixtureSourceAttribute>();
                Assert.That((source?.SourceType, source?.SourceName), Is.EqualTo((typeof(Devices), nameof(Devices.Names)))
                    .Or.EqualTo((typeof(Devices), nameof(Devices.OfGpuCode))), fixture.Name);
            }
        }
    }

    [Test]
    public void a_machine_with_a_gpu_runs_the_tests_on_it_and_one_without_on_its_code()
    {
        // What the operating system's driver shows, without our code: a GPU that we fail to open must not pass for none.
        const string Cards = "/proc/driver/nvidia/gpus";
        var hasGpu = File.Exists("/dev/nvidia0") || (Directory.Exists(Cards) && Directory.EnumerateFileSystemEntries(Cards).Any());
        Assert.That(Devices.Names, Is.EqualTo(hasGpu ? ["simulator", "ptx", "cuda:0"] : (string[])["simulator", "ptx"]), Devices.WhyNoGpu);
        Assert.That(Devices.OfGpuCode, Is.EqualTo(Devices.Names.Skip(1)));
    }

    [Test]
    public void the_driver_accepts_every_kernel()
    {
        if (Devices.WhyNoGpu is { } reason)
        {
            Assert.Ignore($"{reason} Run the tests on a machine with an NVIDIA GPU and its driver; build.ps1 bundle packs them for one without .NET.");
        }

        var device = Devices.Get("cuda:0");
        using (Assert.EnterMultipleScope())
        {
            foreach (var kernel in KernelDefinition.All())
            {
                Assert.That(() => device.Load(kernel), Throws.Nothing, kernel.Name);
            }
        }
    }
}
