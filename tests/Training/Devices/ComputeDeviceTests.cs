using Pascl.Training;
using Pascl.Training.Devices;
using TorchSharp;

namespace Pascl.Tests.Training.Devices;

public sealed class ComputeDeviceTests
{
    [TestCase(Backend.Auto, "cpu with torch operations")]
    [TestCase(Backend.Torch, "cpu with torch operations")]
    [TestCase(Backend.Ilgpu, "cpu with ILGPU kernels on the simulator, which checks them and is far too slow to train")]
    public void the_cpu_takes_torch_operations_unless_kernels_are_asked_for(Backend backend, string description)
    {
        using var device = ComputeDevice.Open("cpu", backend);
        Assert.That($"{device}", Is.EqualTo(description));
    }

    [Test]
    public void auto_takes_a_gpu_with_kernels_where_libtorch_finds_one_and_else_the_cpu()
    {
        using var device = ComputeDevice.Open("auto", Backend.Auto);
        Assert.That((device.Torch.type, device.Kernels is not null), Is.EqualTo(torch.cuda.is_available() ? (DeviceType.CUDA, true) : (DeviceType.CPU, false)));
    }

    [TestCase("gpu")]
    [TestCase("cuda")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:1x")]
    public void a_device_that_does_not_exist_is_refused(string device) =>
        Assert.That(() => ComputeDevice.Open(device, Backend.Auto), Throws.TypeOf<InputException>().With.Message.EqualTo(
            $"There is no device {device}; use auto, cpu, or cuda: and the number of a GPU, such as cuda:0."));

    [Test]
    public void a_gpu_that_libtorch_does_not_find_is_refused() =>
        Assert.That(() => ComputeDevice.Open("cuda:99", Backend.Auto), Throws.TypeOf<InputException>().With.Message.Contains(
            torch.cuda.is_available() ? "There is no cuda:99" : "cuda:99 cannot be used: this libtorch finds no GPU."));
}

[Platform("Linux")]
public sealed class CpuFeaturesTests
{
    [Test]
    public void bfloat16_is_taken_with_amx_and_on_processors_of_amd_that_multiply_it()
    {
        var lines = File.ReadLines("/proc/cpuinfo").ToArray();
        string[] flags = lines.First(line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ');
        var isAmd = lines.Any(line => line.StartsWith("vendor_id", StringComparison.Ordinal) && line.EndsWith("AuthenticAMD", StringComparison.Ordinal));
        Assert.That(CpuFeatures.IsFastInBFloat16, Is.EqualTo(flags.Contains("amx_bf16") || (isAmd && flags.Contains("avx512_bf16"))));
    }
}
