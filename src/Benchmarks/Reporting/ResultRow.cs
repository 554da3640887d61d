using BenchmarkDotNet.Reports;
using Pascl.Benchmarks.Measuring;

namespace Pascl.Benchmarks.Reporting;

/// <summary>A row of a table: one method at one workload.</summary>
/// <param name="Method">The method.</param>
/// <param name="Workload">The workload, or nothing where a suite has only one.</param>
/// <param name="IsBaseline">Whether the others of the workload are compared with it.</param>
/// <param name="Nanoseconds">Mean time of a call.</param>
/// <param name="Deviation">Standard deviation of the time.</param>
/// <param name="ManagedBytes">Allocated by a call, where that was counted.</param>
/// <param name="PeakBytes">Resident memory that the calls needed at most, beyond what was there before.</param>
/// <param name="DeviceNanoseconds">Median time of a call by the GPU's clock, where there is one.</param>
/// <param name="GigabytesPerSecond">Where the suite declares its work.</param>
/// <param name="GigaflopsPerSecond">Likewise.</param>
/// <param name="ShareOfCeiling">Likewise.</param>
internal sealed record ResultRow(
    string Method,
    string Workload,
    bool IsBaseline,
    double Nanoseconds,
    double Deviation,
    long? ManagedBytes,
    double? PeakBytes,
    double? DeviceNanoseconds,
    double? GigabytesPerSecond,
    double? GigaflopsPerSecond,
    double? ShareOfCeiling)
{
    /// <summary>The row of a finished benchmark, or null of one that failed.</summary>
    public static ResultRow? Of(BenchmarkReport report)
    {
        if (report.ResultStatistics is not { } time)
        {
            return null;
        }

        var benchmark = report.BenchmarkCase;
        var work = RateColumn.WorkOf(benchmark);
        return new ResultRow(
            benchmark.Descriptor.WorkloadMethod.Name,
            string.Join(", ", benchmark.Parameters.Items.Select(item => item.Value)),
            benchmark.Descriptor.Baseline,
            time.Mean,
            time.StandardDeviation,
            report.GcStats.GetBytesAllocatedPerOperation(benchmark),
            MeasuredMetric.PeakMemory.In(report),
            MeasuredMetric.DeviceTime.In(report),
            work?.GigabytesPerSecond(time.Mean),
            work?.GigaflopsPerSecond(time.Mean),
            work is { } done ? done.ShareOf(BenchmarkMachine.Ceiling, time.Mean) : null);
    }
}
