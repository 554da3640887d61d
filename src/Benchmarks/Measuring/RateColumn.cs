using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Pascl.Benchmarks.Measuring;

/// <summary>A rate that a suite's declared work was done at; empty for suites that declare none.</summary>
/// <param name="name">Heading.</param>
/// <param name="legend">What it means.</param>
/// <param name="rate">From the work and the mean time in nanoseconds.</param>
internal sealed class RateColumn(string name, string legend, Func<Work, double, string> rate) : IColumn
{
    /// <summary>The columns of every table.</summary>
    public static IColumn[] All { get; } =
    [
        new RateColumn("GB/s", "least bytes that must be moved, per second", (work, time) => Text(work.GigabytesPerSecond(time))),
        new RateColumn("GFLOP/s", "least arithmetic that must be done, per second", (work, time) => Text(work.GigaflopsPerSecond(time))),
        new RateColumn(
            "Of ceiling",
            "the larger share of what a copy and a matrix product reach here in the same run",
            (work, time) => work.ShareOf(BenchmarkMachine.Ceiling, time).ToString("P1", CultureInfo.InvariantCulture)),
    ];

    /// <inheritdoc/>
    public string Id => $"{nameof(RateColumn)}.{name}";

    /// <inheritdoc/>
    public string ColumnName => name;

    /// <inheritdoc/>
    public bool AlwaysShow => true;

    /// <inheritdoc/>
    public ColumnCategory Category => ColumnCategory.Custom;

    /// <inheritdoc/>
    public int PriorityInCategory => 0;

    /// <inheritdoc/>
    public bool IsNumeric => true;

    /// <inheritdoc/>
    public UnitType UnitType => UnitType.Dimensionless;

    /// <inheritdoc/>
    public string Legend => legend;

    /// <summary>The work of a benchmark, or null where its suite declares none.</summary>
    public static Work? WorkOf(BenchmarkCase benchmarkCase)
    {
        var type = benchmarkCase.Descriptor.Type;
        return typeof(IDeclaresWork).IsAssignableFrom(type) && benchmarkCase.Parameters.Items.Count > 0
            ? ((IDeclaresWork)Activator.CreateInstance(type)!).WorkOf(benchmarkCase.Parameters.Items[0].Value)
            : null;
    }

    /// <summary>The rate of a benchmark that took so long.</summary>
    public string Value(Work? work, double? nanoseconds) => work is { } done && nanoseconds is > 0 ? rate(done, nanoseconds.Value) : "";

    /// <inheritdoc/>
    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(benchmarkCase => WorkOf(benchmarkCase) is not null);

    /// <inheritdoc/>
    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        Value(WorkOf(benchmarkCase), summary[benchmarkCase]?.ResultStatistics?.Mean);

    /// <inheritdoc/>
    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    private static string Text(double value) => value.ToString("0.0##", CultureInfo.InvariantCulture);
}
