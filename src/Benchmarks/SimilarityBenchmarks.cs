using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using static TorchSharp.torch;

namespace Pascl.Benchmarks;

/// <summary>The similarities of the anchors with all rows that take part, and the gradient of their sum: one product forward, two backward.</summary>
[Config(typeof(ShortRuns))]
public class SimilarityBenchmarks : IDeclaresWork, IDisposable
{
    private readonly KernelDevice? device;
    private readonly List<RotatedRun> runs = [];
    private Tensor rows = null!;
    private Tensor upstream = null!;

    /// <summary>On this machine's GPU, where there is one.</summary>
    public SimilarityBenchmarks()
        : this(BenchmarkMachine.Kernels)
    {
    }

    internal SimilarityBenchmarks(KernelDevice? device) => this.device = device;

    /// <summary>The batch.</summary>
    [ParamsSource(nameof(Workloads))]
    public LossWorkload Workload { get; set; } = LossWorkload.Cifar10;

    /// <summary>Batches that differ in the number of rows.</summary>
    public static IEnumerable<LossWorkload> Workloads => [LossWorkload.Cifar10, LossWorkload.ImageNet, LossWorkload.Large4K];

    /// <inheritdoc/>
    public Work WorkOf(object workload)
    {
        // Rows in, similarities out, their gradient in, and the rows' gradient out.
        var of = (LossWorkload)workload;
        var (matrix, features) = ((double)of.Anchors * of.Contrasts, (double)of.Contrasts * of.Width);
        return new Work(2 * sizeof(float) * (matrix + features), 3.0 * 2 * matrix * of.Width);
    }

    /// <summary>Draws the rows and checks the gradients; those of a sum of similarities are sums of rows.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using var batch = new LossBatch(Workload);
        var values = batch.ParticipantValues;
        rows = tensor(values).reshape(Workload.Contrasts, Workload.Width).to(BenchmarkMachine.Torch).requires_grad_().DetachFromDisposeScope();
        upstream = ones(Workload.Anchors, Workload.Contrasts, device: BenchmarkMachine.Torch).DetachFromDisposeScope();
        var expected = Expected(values);
        Agreement.Require(nameof(Authors), TorchGradient.Of(ByDivision, rows, upstream), expected, allowed: 1e-5);
        Agreement.Require(nameof(Clean), TorchGradient.Of(ByScaledAnchors, rows, upstream), expected, allowed: 1e-5);
        if (device is not null)
        {
            runs.AddRange([
                new RotatedRun(device, () => new SimilarityRun(device, batch, SimilarityVariant.Naive)),
                new RotatedRun(device, () => new SimilarityRun(device, batch, SimilarityVariant.Tiled))]);
            runs[0].Require(nameof(NaiveKernels), expected, allowed: 1e-5);
            runs[1].Require(nameof(TiledKernels), expected, allowed: 1e-5);
        }
    }

    /// <summary>Frees the rows.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
        rows.Dispose();
        upstream.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A product, divided.</summary>
    [Benchmark(Baseline = true)]
    public void Authors() => TorchGradient.Run(ByDivision, rows, upstream);

    /// <summary>A product of divided anchors, which are fewer numbers.</summary>
    [Benchmark]
    public void Clean() => TorchGradient.Run(ByScaledAnchors, rows, upstream);

    /// <summary>The simplest kernel.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void NaiveKernels() => runs[0].LaunchRepeatedly();

    /// <summary>Ours.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void TiledKernels() => runs[1].LaunchRepeatedly();

    private Tensor ByDivision() => matmul(rows.narrow(0, 0, Workload.Anchors), rows.t()) / Workload.Temperature;

    private Tensor ByScaledAnchors() => (rows.narrow(0, 0, Workload.Anchors) / Workload.Temperature).mm(rows.t());

    // Of sum_ij a_i . b_j / T: every row gets the sum of the anchors as a contrast, and as an anchor the sum of all rows.
    private double[] Expected(float[] values)
    {
        var width = Workload.Width;
        var (anchorSum, sum) = (new double[width], new double[width]);
        foreach (var (index, value) in values.Index())
        {
            sum[index % width] += value / Workload.Temperature;
            anchorSum[index % width] += index < Workload.Anchors * width ? value / Workload.Temperature : 0;
        }

        return [.. values.Select((_, index) => anchorSum[index % width] + (index < Workload.Anchors * width ? sum[index % width] : 0))];
    }
}
