using System.Diagnostics;
using Pascl.Training.Cli;
using Pascl.Training.Devices;
using Pascl.Training.Golden;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training.Cli;

public sealed class DoctorTests
{
    // Convolutions take five times as long as the rest; they are shown where doctor runs without options, and by themselves.
    private const string Doctor = "doctor --check-convolutions off";

    [Test]
    public void the_self_test_passes_and_every_check_measures_something()
    {
        var checks = SelfTest.Run();
        Assert.Multiple(() =>
        {
            Assert.That(checks, Has.Count.EqualTo(7));
            Assert.That(checks.Where(check => !check.Passed), Is.Empty);
            Assert.That(
                checks.Where(check => check.Backend == "torch"),
                Has.All.Property(nameof(GoldenResult.Error)).GreaterThan(0), "float32 never equals the stored doubles");
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
            Assert.That(output, Does.Contain(NativeLibTorch.EnsureLoaded().LibTorchFolder));
            Assert.That(output, Does.Contain($"{Environment.Version}").And.Contain("torch on the CPU"));
            Assert.That(output, Does.Not.Contain("\u001b").And.Not.Contain("│"));
        });
    }

    [Long]
    [Test]
    public void doctor_compares_every_golden_file_and_exits_with_0()
    {
        // Without the model, which takes a minute and has its own test.
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { LossGolden.FileName, MetricGolden.FileName })
        {
            File.Copy(Path.Combine(Repository.Golden, name), Path.Combine(folder.Path, name));
        }

        var (code, output, error) = PasclProgram.Run($"{Doctor} --golden {folder.Path}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(output, Does.Contain("losses/").And.Contain("metrics/"));
            Assert.That(output, Does.Match(@"Golden values: \d{3,} passed, 0 failed"));
        });
    }

    [Long]
    [Test]
    public void a_golden_value_that_differs_is_exit_code_1()
    {
        using var folder = new TemporaryFolder();
        var losses = File.ReadAllText(Path.Combine(Repository.Golden, LossGolden.FileName));
        var changed = losses.Replace("8.184344564295612", "8.185", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder.Path, LossGolden.FileName), changed);
        var (code, output, _) = PasclProgram.Run($"{Doctor} --golden {folder.Path}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(output, Does.Contain("FAILED").And.Contain(" passed, 1 failed"));
        });
    }

    [Test]
    public void doctor_shows_every_convolution_and_those_of_other_networks()
    {
        var rows = ConvolutionDoctor.Rows().ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows.Select(row => row[0] + row[1]), Is.Unique);
            Assert.That(rows, Has.All.Length.EqualTo(ConvolutionDoctor.Columns.Length));
            Assert.That(rows.Count(row => row[0].StartsWith("1x1", StringComparison.Ordinal) && row[1] == "matrix product" && row[2] == "right"), Is.AtLeast(9));
            Assert.That(rows.Count(row => row[0].Contains(" groups", StringComparison.Ordinal)), Is.AtLeast(6));
        }
    }

    [TestCase("ABRT", "SIGABRT")]
    [TestCase("SEGV", "SIGSEGV")]
    public void a_convolution_that_ends_the_process_is_a_sentence_and_the_others_are_still_computed(string signal, string name)
    {
        var started = new List<int>();
        var rows = ConvolutionDoctor.Rows(first =>
        {
            started.Add(first);
            var script = first == 0 ? "printf 'right\t1\t2\t3\nright\t1\t2\t3\n'; kill -" + signal + " $$" : "for i in $(seq 1000); do printf 'WRONG\t1\t2\t3\n'; done";
            return Process.Start(new ProcessStartInfo("sh", ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        }).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(started, Is.EqualTo([0, 3]));
            Assert.That(rows[..2].Select(row => row[2]), Is.All.EqualTo("right"));
            Assert.That(rows[2][2], Does.StartWith($"ENDED THE PROCESS by {name}"));
            Assert.That(rows[3..].Select(row => row[2]), Is.All.EqualTo("WRONG"));
        }
    }

    [TestCase(null, "holds none of the golden files")]
    [TestCase("{ \"contrastive\": [", "losses.json is not a file of golden values")]
    [TestCase("{}", "losses.json is not a file of golden values")]
    public void a_folder_that_cannot_be_compared_is_one_line_and_exit_code_2(string? losses, string reason)
    {
        using var folder = new TemporaryFolder();
        if (losses is not null)
        {
            File.WriteAllText(Path.Combine(folder.Path, LossGolden.FileName), losses);
        }

        var (code, output, error) = PasclProgram.Run($"doctor --golden {folder.Path}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain(folder.Path).And.Contain(reason));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
            Assert.That(output, Is.Empty);
        });
    }

    [Test]
    [Platform("Linux")]
    public void cpu_features_are_those_that_the_system_lists()
    {
        var flags = File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ');
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
