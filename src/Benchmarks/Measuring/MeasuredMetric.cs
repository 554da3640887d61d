using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;

namespace Pascl.Benchmarks.Measuring;

/// <summary>A number that <see cref="ActualRunDiagnoser"/> adds to a table.</summary>
internal sealed class MeasuredMetric : IMetricDescriptor
{
    /// <summary>Bytes of memory that the runs needed at most, beyond what was there before them.</summary>
    public static MeasuredMetric PeakMemory { get; } = new()
    {
        Id = "PeakMemory",
        DisplayName = "Peak memory",
        Legend = "Most resident memory of the process while the benchmark runs, beyond what it had before: tensors on the CPU and .NET's own together",
        UnitType = UnitType.Size,
        Unit = "B",
        NumberFormat = "0.##",
    };

    /// <summary>Time of one call by the GPU's own clock.</summary>
    public static MeasuredMetric DeviceTime { get; } = new()
    {
        Id = "DeviceTime",
        DisplayName = "GPU time",
        Legend = "Median time of a call between two events of the GPU, inputs and outputs taken in turn from copies that exceed its cache",
        UnitType = UnitType.Time,
        Unit = "ns",
        NumberFormat = "0.##",
    };

    /// <inheritdoc/>
    public required string Id { get; init; }

    /// <inheritdoc/>
    public required string DisplayName { get; init; }

    /// <inheritdoc/>
    public required string Legend { get; init; }

    /// <inheritdoc/>
    public required string NumberFormat { get; init; }

    /// <inheritdoc/>
    public required UnitType UnitType { get; init; }

    /// <inheritdoc/>
    public required string Unit { get; init; }

    /// <inheritdoc/>
    public bool TheGreaterTheBetter => false;

    /// <inheritdoc/>
    public int PriorityInCategory => 0;

    /// <inheritdoc/>
    public bool GetIsAvailable(Metric metric) => true;

    /// <summary>The value in a finished benchmark, or null where it was not measured.</summary>
    public double? In(BenchmarkReport report) => report.Metrics.TryGetValue(Id, out var metric) ? metric.Value : null;
}
