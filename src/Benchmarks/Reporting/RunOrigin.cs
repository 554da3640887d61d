using System.Diagnostics;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Cli;
using TorchSharp;

namespace Pascl.Benchmarks.Reporting;

/// <summary>Where a measurement comes from.</summary>
/// <param name="Date">When.</param>
/// <param name="Commit">Of the repository, marked where files differed from it.</param>
/// <param name="Machine">What it was measured on.</param>
internal sealed record RunOrigin(DateTime Date, string Commit, string Machine)
{
    /// <summary>Here and now.</summary>
    public static RunOrigin Now() => new(
        DateTime.UtcNow,
        Git(),
        string.Join("; ", (string[])[
            .. MachineReport.Rows().Where(row => row.Name is "CPU" or "cores" or "system").Select(row => row.Value),
            $"torch on {BenchmarkMachine.Torch.type} with {torch.get_num_threads()} threads"]));

    private static string Git()
    {
        try
        {
            using var git = Process.Start(
                new ProcessStartInfo("git", "describe --always --dirty") { RedirectStandardOutput = true, RedirectStandardError = true })!;
            return git.StandardOutput.ReadToEnd().Trim() is { Length: > 0 } commit ? commit : "unknown";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }
}
