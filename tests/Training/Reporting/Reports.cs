using Pascl.Training.Profiling;

namespace Pascl.Tests.Training.Reporting;

/// <summary>Step reports for tests.</summary>
internal static class Reports
{
    private static readonly Dictionary<string, double> losses =
        new() { ["loss"] = 2.124, ["classification"] = 0.8125, ["outlier"] = 2.571 };

    public static StepReport At(int epoch, int step, string phase = "representation") =>
        new(phase, epoch, 20, step, 48, losses, LearningRate: 0.00098, ImagesPerSecond: 512.4, Seconds: 1.5, ResidentBytes: 1 << 30) { DataWaitShare = 0.031 };

    /// <summary>The first <paramref name="count"/> steps of a run.</summary>
    public static IEnumerable<StepReport> First(int count) => Enumerable.Range(0, count).Select(i => At((i / 48) + 1, (i % 48) + 1));
}
