using System.Diagnostics;
using System.Text.Json.Nodes;
using Pascl.Benchmarks.Reporting;
using Pascl.Training.Profiling;

namespace Pascl.Tests.Benchmarks;

/// <summary>The Python peers, where there is a Python with torch (<c>PASCL_PYTHON</c> may name it).</summary>
public sealed class PeersTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "src", "Benchmarks", "peers");
    private static readonly Lazy<string?> Python = new(() =>
        new[] { Environment.GetEnvironmentVariable("PASCL_PYTHON"), "python3", "/usr/bin/python3" }.OfType<string>().FirstOrDefault(HasTorch));

    [Test]
    public void the_peers_read_the_workloads_of_the_benchmarks()
    {
        var (written, current) = (Parse(File.ReadAllText(Path.Combine(Folder, "workloads.json"))), Parse(WorkloadList.Json()));
        Assert.Multiple(() =>
        {
            Assert.That(written.List, Is.EqualTo(current.List), "write it again: dotnet run -c Release --project src/Benchmarks -- workloads");
            Assert.That(written.Losses, Is.EqualTo(current.Losses).Within(1e-6));
            Assert.That(written.Losses, Has.Length.EqualTo(3));
        });
    }

    // One test, so that one is skipped where there is no torch.
    [Long]
    [Test]
    public void the_peers_agree_with_double_precision_stand_in_one_table_with_ours_and_name_what_they_do_not_understand()
    {
        AgreeWithDoublePrecision();
        StandInOneTableWithOurs();
        NameWhatTheyDoNotUnderstand();
    }

    private static void AgreeWithDoublePrecision()
    {
        var (exitCode, output) = Run("--check");
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(output, Does.Contain("our algorithm in Triton").And.EndWith("all right\n"));
    }

    private static void StandInOneTableWithOurs()
    {
        using var folder = new TemporaryFolder();
        var results = Path.Combine(folder.Path, "suites");
        new SuiteResult("ContrastiveLossBenchmarks", new RunOrigin(new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), "abc123", "a machine"), new MachineCeiling(1, 1), [
            new ResultRow("Authors", "cifar10-lt", true, 9e12, 1e9, null, null, null, null, null, null),
            new ResultRow("Ours", "cifar10-lt", false, 3e12, 1e9, null, null, null, null, null, null),
        ]).Save(results);
        var page = Path.Combine(folder.Path, "table.md");

        var (exitCode, output) = Run(
            "--device", "cpu", "--suites", "contrastive", "--workloads", "cifar10-lt", "--seconds", "0.02", "--ours", results, "--markdown", page);

        Assert.That(exitCode, Is.Zero, output);
        Assert.That(
            File.ReadAllText(page),
            Does.Contain("Ours in contrastive: 2026-01-02 03:04 UTC, commit abc123, a machine.")
                .And.Contain("| ours | C#: Ours | float32 | 3000.00 s ± 1.00 s |  |  |")
                .And.Contain("| ours, baseline | C#: Authors | float32 | 9000.00 s ± 1.00 s |  | 3.00x as fast |")
                .And.Match(@"\| peer \| clean, masked, eager \| float32 \| [\d.]+ .s \[.*\] \| \d\.\de-0\d \| \*\*a loss: [\d.]+x as long\*\* \|")
                .And.Contain("left out: Triton needs a GPU"));
    }

    private static void NameWhatTheyDoNotUnderstand()
    {
        var (exitCode, output) = Run("--workloads", "cifar11-lt");
        Assert.That(exitCode, Is.EqualTo(2));
        Assert.That(output, Does.Contain("There is no workload cifar11-lt; there are cifar10-lt, cifar100-lt, "));
    }

    private static (string List, double[] Losses) Parse(string text)
    {
        var list = JsonNode.Parse(text)!;
        var workloads = list["loss"]!.AsArray();
        double[] losses = [.. workloads.Select(workload => workload!["loss"]).OfType<JsonNode>().Select(loss => loss.GetValue<double>())];
        foreach (var workload in workloads)
        {
            workload!.AsObject().Remove("loss");
        }

        return (list.ToString(), losses);
    }

    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        if (Python.Value is not { } python)
        {
            Assert.Ignore("There is no python3 with torch and numpy here (Debian: apt-get install python3-torch); PASCL_PYTHON may name one.");
            return default;
        }

        return Start(python, [Path.Combine(Folder, "run_peers.py"), .. arguments]);
    }

    private static bool HasTorch(string python)
    {
        try
        {
            return Start(python, ["-c", "import importlib.util as i, sys; sys.exit(not (i.find_spec('torch') and i.find_spec('numpy')))"]).ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static (int ExitCode, string Output) Start(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["OMP_NUM_THREADS"] = "1" },
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error.Result + output);
    }
}
