using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Networks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks;

/// <summary>BatchNorm of a batch with the running statistics of both branches, the rectifier after it, and the gradient with respect to the batch.</summary>
[Config(typeof(ShortRuns))]
public class DualBatchNormBenchmarks : IDeclaresWork, IDisposable
{
    private readonly KernelDevice? device;
    private readonly List<RotatedRun> runs = [];
    private TorchSharp.Modules.BatchNorm2d main = null!;
    private TorchSharp.Modules.BatchNorm2d auxiliary = null!;
    private DualBranchBatchNorm2d clean = null!;
    private Tensor input = null!;
    private Tensor upstream = null!;

    /// <summary>On this machine's GPU, where there is one.</summary>
    public DualBatchNormBenchmarks()
        : this(BenchmarkMachine.Kernels)
    {
    }

    internal DualBatchNormBenchmarks(KernelDevice? device) => this.device = device;

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Workloads))]
    public BatchNormWorkload Workload { get; set; } = BatchNormWorkload.All[0];

    /// <summary>All layers.</summary>
    public static IEnumerable<BatchNormWorkload> Workloads => BatchNormWorkload.All;

    /// <inheritdoc/>
    public Work WorkOf(object workload)
    {
        // Forward: the batch for its statistics, again to normalise, and the output; backward: batch and gradient twice, and the result.
        var elements = (double)((BatchNormWorkload)workload).Length;
        return new Work(8 * sizeof(float) * elements, 15 * elements);
    }

    /// <summary>Draws the batch and compares every gradient with that of torch's BatchNorm in double precision.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        long[] shape = [Workload.Images, Workload.Channels, Workload.Size, Workload.Size];
        var (drawn, gradient) = (randn(shape, generator: random), randn(shape, generator: random));
        input = drawn.to(BenchmarkMachine.Torch).detach().requires_grad_().DetachFromDisposeScope();
        upstream = gradient.to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        (main, auxiliary) = (BatchNorm2d(Workload.Channels), BatchNorm2d(Workload.Channels));
        clean = new DualBranchBatchNorm2d(Workload.Channels);
        Array.ForEach<Module>([main, auxiliary, clean], module => module.to(BenchmarkMachine.Torch));
        var expected = Expected(drawn, gradient);
        Agreement.Require(nameof(TwoBatchNorms), TorchGradient.Of(ByTwoModules, input, upstream), expected, allowed: 1e-4);
        Agreement.Require(nameof(Clean), TorchGradient.Of(ByTorch, input, upstream), expected, allowed: 1e-4);
        if (device is not null)
        {
            var (batch, slopes) = (drawn.data<float>().ToArray(), gradient.data<float>().ToArray());
            runs.Add(new RotatedRun(device, () => new DualBatchNormRun(device, Workload, batch, slopes)));
            runs[0].Require(nameof(Kernels), expected, allowed: 1e-4);
        }
    }

    /// <summary>Frees the batch.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
        Array.ForEach<IDisposable>([input, upstream, main, auxiliary, clean], item => item.Dispose());
        GC.SuppressFinalize(this);
    }

    /// <summary>A BatchNorm of all images and a rectifier, and another BatchNorm of the in-distribution images for its statistics.</summary>
    [Benchmark(Baseline = true)]
    public void TwoBatchNorms() => TorchGradient.Run(ByTwoModules, input, upstream);

    /// <summary>Ours by torch's operations: the same readings, and a rectifier in place.</summary>
    [Benchmark]
    public void Clean() => TorchGradient.Run(ByTorch, input, upstream);

    /// <summary>Ours: the statistics of both branches from one reading, the rectifier on the way.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void Kernels() => runs[0].LaunchRepeatedly();

    private Tensor ByTwoModules()
    {
        using (no_grad())
        {
            auxiliary.forward(input.narrow(0, 0, Workload.InDistributionImages));
        }

        return functional.relu(main.forward(input));
    }

    private Tensor ByTorch()
    {
        using (no_grad())
        {
            functional.batch_norm(
                input.narrow(0, 0, Workload.InDistributionImages), auxiliary.running_mean!, auxiliary.running_var!, null, null, training: true).Dispose();
        }

        return clean.forward(input, Branch.Main, BatchNormActivation.Rectify);
    }

    private static double[] Expected(Tensor drawn, Tensor gradient)
    {
        var exact = drawn.to(ScalarType.Float64).requires_grad_();
        var output = functional.batch_norm(exact, null, null, null, null, training: true).relu();
        return autograd.grad([output], [exact], [gradient.to(ScalarType.Float64)])[0].data<double>().ToArray();
    }
}
