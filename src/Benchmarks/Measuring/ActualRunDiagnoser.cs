using BenchmarkDotNet.Analysers;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Validators;

namespace Pascl.Benchmarks.Measuring;

/// <summary>Watches the runs that are timed, in this process: their memory beside .NET's, and the GPU's clock.</summary>
internal sealed class ActualRunDiagnoser : IDiagnoser
{
    private long before;
    private long peak;
    private double? deviceTime;

    /// <inheritdoc/>
    public IEnumerable<string> Ids => [nameof(ActualRunDiagnoser)];

    /// <inheritdoc/>
    public IEnumerable<IExporter> Exporters => [];

    /// <inheritdoc/>
    public IEnumerable<IAnalyser> Analysers => [];

    /// <inheritdoc/>
    public BenchmarkDotNet.Diagnosers.RunMode GetRunMode(BenchmarkCase benchmarkCase) => BenchmarkDotNet.Diagnosers.RunMode.NoOverhead;

    /// <inheritdoc/>
    public void Handle(HostSignal signal, DiagnoserActionParameters parameters)
    {
        if (signal == HostSignal.BeforeActualRun)
        {
            DeviceTimes.Clear();
            before = ResidentMemory.StartAgain();
        }
        else if (signal == HostSignal.AfterActualRun)
        {
            (peak, deviceTime) = (ResidentMemory.Peak, DeviceTimes.Median);
        }
    }

    /// <inheritdoc/>
    public IEnumerable<Metric> ProcessResults(DiagnoserResults results) =>
    [
        new Metric(MeasuredMetric.PeakMemory, Math.Max(0, peak - before)),
        .. deviceTime is { } time ? (Metric[])[new Metric(MeasuredMetric.DeviceTime, time)] : [],
    ];

    /// <inheritdoc/>
    public void DisplayResults(ILogger logger)
    {
        // The columns show them.
    }

    /// <inheritdoc/>
    public IEnumerable<ValidationError> Validate(ValidationParameters validationParameters) => [];
}
