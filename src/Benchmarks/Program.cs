using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Pascl.Benchmarks.Growth;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Reporting;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Scale;
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

switch (args)
{
    case ["report"]:
        return RepositoryFile.WriteResults();
    case ["workloads"]:
        return RepositoryFile.Write(WorkloadList.File, WorkloadList.Json());
    case ["growth"]:
        GrowthResult.Measure(Console.WriteLine).Save();
        Console.WriteLine("Kept for the page of results: -- report.");
        return 0;
    case ["link"]:
        LinkMeasurement.Run(Console.WriteLine);
        return 0;
    case ["scale"]:
        ScaleModel.Print(latency: 20e-6, bandwidth: 25e9, Console.WriteLine);
        return 0;
    case ["photographs"]:
        PhotographLoading.OfImageNetSize(Console.WriteLine);
        return 0;
    case ["photographs", var folder]:
        PhotographLoading.OfFolder(folder, views: 1, Console.WriteLine);
        PhotographLoading.OfFolder(folder, views: 2, Console.WriteLine);
        PhotographLoading.Stages(folder, Console.WriteLine);
        return 0;
}

var assembly = typeof(BenchmarkMachine).Assembly;
if (args.Length == 0)
{
    var suites = assembly.GetTypes().Where(type => type.Name.EndsWith("Benchmarks", StringComparison.Ordinal)).Select(type => type.Name).Order();
    Console.WriteLine($"Suites: {string.Join(", ", suites)}.");
    Console.WriteLine($"This runs a part of them, about two minutes: {string.Join(' ', DefaultRun.Filters)}.");
    Console.WriteLine("All: -- --filter '*'. How cost grows with the task: -- growth. The loader on photographs: -- photographs FOLDER, or on as many as ImageNet-LT has: -- photographs. What several ranks cost: -- scale, and behind mpirun -- link. Then a page of results: -- report.");
    args = ["--filter", .. DefaultRun.Filters];
}

foreach (var sentence in Skips.Sentences)
{
    Console.WriteLine(sentence);
}

// In this process: a process that BenchmarkDotNet generates would not know where the build put libtorch. For as long as it takes: of itself BenchmarkDotNet gives
// up after five minutes, in which a processor without instructions for bfloat16 does not take ten training steps.
var config = DefaultConfig.Instance
    .AddJob(Job.Default.WithToolchain(new InProcessEmitToolchain(TimeSpan.FromHours(1), logOutput: true)).AsMutator())
    .AddFilter(new Skips())
    .AddDiagnoser(MemoryDiagnoser.Default, new ActualRunDiagnoser())
    .AddColumn(RateColumn.All)
    .HideColumns(Column.Job, Column.Error, Column.Gen0, Column.Gen1, Column.Gen2, Column.AllocRatio);
var failed = false;
foreach (var summary in BenchmarkSwitcher.FromAssembly(assembly).Run(args, config).Where(summary => summary.BenchmarksCases.Length > 0))
{
    SuiteResult.Of(summary).Save();
    failed |= summary.HasCriticalValidationErrors || summary.Reports.Any(report => report.ResultStatistics is null);
}

return failed ? 1 : 0;
