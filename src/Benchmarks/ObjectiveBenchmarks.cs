using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Losses;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks;

/// <summary>Cross entropy of both views and outlier exposure from the logits (2N + K, C) on, and their gradient.</summary>
[Config(typeof(ShortRuns))]
public class ObjectiveBenchmarks : IDeclaresWork, IDisposable
{
    private const double OutlierWeight = 0.5;

    private readonly KernelDevice? device;
    private readonly List<RotatedRun> runs = [];
    private readonly ObjectiveTorchLoss clean = new(OutlierWeight);
    private Tensor logits = null!;
    private Tensor labels = null!;

    /// <summary>On this machine's GPU, where there is one.</summary>
    public ObjectiveBenchmarks()
        : this(BenchmarkMachine.Kernels)
    {
    }

    internal ObjectiveBenchmarks(KernelDevice? device) => this.device = device;

    /// <summary>The batch.</summary>
    [ParamsSource(nameof(Workloads))]
    public LossWorkload Workload { get; set; } = LossWorkload.Cifar10;

    /// <summary>Batches that differ in the number of classes.</summary>
    public static IEnumerable<LossWorkload> Workloads => [LossWorkload.Cifar10, LossWorkload.Cifar100, LossWorkload.ImageNet];

    /// <inheritdoc/>
    public Work WorkOf(object workload)
    {
        // Logits in, gradient out; about five operations an element: shift, exponential, sum, quotient, difference.
        var elements = (double)((LossWorkload)workload).Rows * ((LossWorkload)workload).Classes;
        return new Work(2 * sizeof(float) * elements, 5 * elements);
    }

    /// <summary>Draws logits and checks every gradient against the reference in double precision.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var drawn = randn(Workload.Rows, Workload.Classes, generator: random);
        long[] classes = [.. Workload.Labels(), .. Workload.Labels()];
        logits = drawn.to(BenchmarkMachine.Torch).detach().requires_grad_().DetachFromDisposeScope();
        labels = tensor(classes).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        var values = drawn.data<float>().ToArray();
        var expected = ObjectiveLossReference.Backward(Array.ConvertAll(values, value => (double)value), Workload.Classes, classes, OutlierWeight);
        Agreement.Require(nameof(Authors), TorchGradient.Of(ByAuthors, logits), expected, allowed: 1e-5);
        Agreement.Require(nameof(Clean), TorchGradient.Of(ByTorch, logits), expected, allowed: 1e-5);
        if (device is not null)
        {
            runs.Add(new RotatedRun(device, () => new ObjectiveRun(device, values, Workload.Classes, classes, (float)OutlierWeight)));
            runs[0].Require(nameof(Kernels), expected, allowed: 1e-5);
        }
    }

    /// <summary>Frees the batch.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
        logits.Dispose();
        labels.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The authors' operations: the logits split, the mean of the outliers' logits less their logsumexp, negated.</summary>
    [Benchmark(Baseline = true)]
    public void Authors() => TorchGradient.Run(ByAuthors, logits);

    /// <summary>Ours by torch's operations, which are the same few.</summary>
    [Benchmark]
    public void Clean() => TorchGradient.Run(ByTorch, logits);

    /// <summary>Ours: two launches.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void Kernels() => runs[0].LaunchRepeatedly();

    private Tensor ByAuthors()
    {
        var classified = labels.shape[0];
        var outliers = logits.narrow(0, classified, logits.shape[0] - classified);
        return functional.cross_entropy(logits.narrow(0, 0, classified), labels) + (OutlierWeight * -(outliers.mean([1]) - outliers.logsumexp(1)).mean());
    }

    private Tensor ByTorch() => clean.forward(logits, labels).Total;
}
