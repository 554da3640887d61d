using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using Perfolizer.Horology;

namespace Pascl.Benchmarks.Measuring;

/// <summary>Ten iterations of a fifth of a second: enough for ratios of operations, and a suite takes seconds.</summary>
internal sealed class ShortRuns : ManualConfig
{
    public ShortRuns() => AddJob(Job.Default.WithIterationTime(TimeInterval.FromMilliseconds(200)).WithWarmupCount(3).WithIterationCount(10));
}
