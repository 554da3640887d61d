using System.Diagnostics;
using System.Text.Json;
using BenchmarkDotNet.Reports;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Cli;

namespace Pascl.Benchmarks.Reporting;

/// <summary>What a run of a suite measured, kept as a JSON file for the report.</summary>
/// <param name="Suite">The class.</param>
/// <param name="Date">When.</param>
/// <param name="Commit">Of the repository, marked where files differed from it.</param>
/// <param name="Machine">What it was measured on.</param>
/// <param name="Ceiling">What the machine reaches at most.</param>
/// <param name="Rows">The table.</param>
internal sealed record SuiteResult(string Suite, DateTime Date, string Commit, string Machine, Ceiling Ceiling, IReadOnlyList<ResultRow> Rows)
{
    /// <summary>Where results are kept, below the current directory.</summary>
    public static string Folder => Path.Combine("BenchmarkDotNet.Artifacts", "suites");

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The result of a finished run.</summary>
    public static SuiteResult Of(Summary summary) => new(
        summary.BenchmarksCases[0].Descriptor.Type.Name,
        DateTime.UtcNow,
        Git(),
        string.Join("; ", (string[])[.. MachineReport.Rows().Where(row => row.Name is "CPU" or "cores" or "system").Select(row => row.Value),
            $"torch on {BenchmarkMachine.Torch.type}"]),
        Ceiling.OfThisMachine,
        [.. summary.Reports.Select(ResultRow.Of).OfType<ResultRow>()]);

    /// <summary>All kept results, by name.</summary>
    public static IReadOnlyList<SuiteResult> ReadAll() => !Directory.Exists(Folder) ? [] :
        [.. Directory.GetFiles(Folder, "*.json").Order().Select(file => JsonSerializer.Deserialize<SuiteResult>(File.ReadAllText(file))!)];

    /// <summary>Keeps the result in place of the suite's previous one.</summary>
    /// <param name="folder">Where; <see cref="Folder"/> where it is null.</param>
    public void Save(string? folder = null)
    {
        Directory.CreateDirectory(folder ??= Folder);
        File.WriteAllText(Path.Combine(folder, $"{Suite}.json"), JsonSerializer.Serialize(this, Indented));
    }

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
