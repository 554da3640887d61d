using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Reporting;
using Pascl.Training;
using Pascl.Training.Interop;

try
{
    NativeLibTorch.EnsureLoaded();
}
catch (InputException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

if (args is ["report"])
{
    var results = SuiteResult.ReadAll();
    if (results.Count == 0)
    {
        Console.Error.WriteLine("There are no results in BenchmarkDotNet.Artifacts/suites here. Run suites first, in the same directory.");
        return 2;
    }

    return WriteAtRoot(Path.Combine("src", "Benchmarks", "RESULTS.md"), ResultsPage.Of(results), $" from {results.Count} suites");
}

if (args is ["workloads"])
{
    return WriteAtRoot(WorkloadList.File, WorkloadList.Json());
}

var assembly = typeof(BenchmarkMachine).Assembly;
if (args.Length == 0)
{
    var suites = assembly.GetTypes().Where(type => type.Name.EndsWith("Benchmarks", StringComparison.Ordinal)).Select(type => type.Name).Order();
    Console.WriteLine($"Suites: {string.Join(", ", suites)}.");
    Console.WriteLine($"This runs a part of them, about two minutes: {string.Join(' ', DefaultRun.Filters)}.");
    Console.WriteLine("All: -- --filter '*'. Then a page of results: -- report.");
    args = ["--filter", .. DefaultRun.Filters];
}

foreach (var sentence in Skips.Sentences)
{
    Console.WriteLine(sentence);
}

// In this process: a process that BenchmarkDotNet generates would not know where the build put libtorch.
var config = DefaultConfig.Instance
    .AddJob(Job.InProcess.AsMutator())
    .AddFilter(new Skips())
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(RateColumn.All)
    .HideColumns(Column.Job, Column.Error, Column.Gen0, Column.Gen1, Column.Gen2, Column.AllocRatio);
var failed = false;
foreach (var summary in BenchmarkSwitcher.FromAssembly(assembly).Run(args, config).Where(summary => summary.BenchmarksCases.Length > 0))
{
    SuiteResult.Of(summary).Save();
    failed |= summary.HasCriticalValidationErrors || summary.Reports.Any(report => report.ResultStatistics is null);
}

return failed ? 1 : 0;

static int WriteAtRoot(string path, string text, string from = "")
{
    var folder = Path.GetDirectoryName(path);
    if (!Directory.Exists(folder))
    {
        Console.Error.WriteLine($"There is no {folder} here to write {Path.GetFileName(path)} to. Run this at the root of the repository.");
        return 2;
    }

    File.WriteAllText(path, text);
    Console.WriteLine($"Wrote {path}{from}.");
    return 0;
}
