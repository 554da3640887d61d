using Pascl.Training.Devices;

namespace Pascl.Tests.Training.Devices;

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
