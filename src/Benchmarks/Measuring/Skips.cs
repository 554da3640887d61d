using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Running;
using Pascl.Benchmarks.Workloads;
using TorchSharp;

namespace Pascl.Benchmarks.Measuring;

/// <summary>Leaves out what cannot be measured here, and says so.</summary>
internal sealed class Skips : IFilter
{
    /// <summary>What is left out on this machine, in sentences.</summary>
    public static IReadOnlyList<string> Sentences =>
    [
        .. BenchmarkMachine.Kernels is null
            ? (string[])["Left out: the benchmarks of kernels, because there is no GPU here. The simulator proves them correct and is never timed."]
            : [],
        $"Left out: {LossWorkload.Large32K} by torch's operations, because each of their matrices of similarities takes 8.6 GB and they keep several.",
        .. BenchmarkMachine.Torch.type == DeviceType.CPU
            ? (string[])[$"Left out by default: {LossWorkload.Large4K} and the large BatchNorm shapes; --filter names them."]
            : [],
    ];

    /// <summary>Whether torch's operations would need tens of gigabytes for a batch.</summary>
    public static bool NeedsTooMuchMemory(LossWorkload workload) => (long)workload.Anchors * workload.Contrasts > 1 << 30;

    /// <inheritdoc/>
    public bool Predicate(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Descriptor.HasCategory(BenchmarkMachine.Gpu)
            ? BenchmarkMachine.Kernels is not null
            : !benchmarkCase.Parameters.Items.Any(item => item.Value is LossWorkload workload && NeedsTooMuchMemory(workload));
}
