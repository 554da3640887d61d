using Pascl.Training.Cli;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Cli;

public sealed class DoctorTests
{
    [Test]
    public void the_self_test_passes_and_every_check_measures_something()
    {
        var checks = SelfTest.Run();
        Assert.Multiple(() =>
        {
            Assert.That(checks, Has.Count.EqualTo(7));
            Assert.That(checks.Where(check => !check.Passed), Is.Empty);
            Assert.That(checks.Where(check => check.Backend == "torch"), Has.All.Property("Error").GreaterThan(0), "float32 never equals the stored doubles");
        });
    }

    [Test]
    public void doctor_prints_plain_lines_when_redirected_and_exits_with_0()
    {
        var (code, output, error) = PasclProgram.Run("doctor");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That(error, Is.Empty);
            Assert.That(output, Does.Contain(NativeLibTorch.EnsureLoaded().LibTorchFolder).And.Contain($"{Environment.Version}").And.Contain("torch on the CPU"));
            Assert.That(output, Does.Not.Contain("\u001b").And.Not.Contain("│"));
        });
    }

    [Test]
    [Platform("Linux")]
    public void cpu_features_are_those_that_the_system_lists()
    {
        var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? [];
        string[] known = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];
        Assert.That(CpuFeatures.Names, Is.EquivalentTo(known.Intersect(flags)));
    }

    [Test]
    public void a_plain_table_aligns_its_columns()
    {
        using var output = new StringWriter();
        ConsoleTable.WritePlain(output, "Sets", ["set", "auroc"], [["textures", "0.9"], ["svhn", "0.95"]]);
        Assert.That(output.ToString(), Is.EqualTo("Sets\n  set       auroc\n  textures  0.9\n  svhn      0.95\n"));
    }
}
