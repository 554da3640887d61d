using System.Text.Json;
using BenchmarkDotNet.Reports;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Profiling;

namespace Pascl.Benchmarks.Reporting;

/// <summary>What a run of a suite measured, kept as a JSON file for the report.</summary>
/// <param name="Suite">The class.</param>
/// <param name="Origin">When, of what, and on what machine.</param>
/// <param name="Ceiling">What the machine reaches at most.</param>
/// <param name="Rows">The table.</param>
internal sealed record SuiteResult(string Suite, RunOrigin Origin, MachineCeiling Ceiling, IReadOnlyList<ResultRow> Rows)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Where results are kept, below the current directory.</summary>
    public static string Folder => Path.Combine("BenchmarkDotNet.Artifacts", "suites");

    /// <summary>The result of a finished run.</summary>
    public static SuiteResult Of(Summary summary) => new(
        summary.BenchmarksCases[0].Descriptor.Type.Name,
        RunOrigin.Now(),
        BenchmarkMachine.Ceiling,
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
}
