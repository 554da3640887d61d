using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Baselines;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels.Device;
using Pascl.Training.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Benchmarks;

/// <summary>
/// The contrastive loss of a batch and its gradient. Bars on the CPU, ours against the authors' operations: 3 times as fast at <c>cifar10-lt</c>, 10 times at
/// <c>cifar100-lt</c>, 50 times at <c>imagenet-lt</c>.
/// </summary>
[Config(typeof(ShortRuns))]
public class ContrastiveLossBenchmarks : IDeclaresWork, IDisposable
{
    private readonly KernelDevice? device;
    private readonly List<RotatedRun> runs = [];
    private LossBatch batch = null!;
    private Tensor flags = null!;
    private Tensor weights = null!;
    private AuthorsContrastiveLoss authors = null!;
    private CleanContrastiveLoss clean = null!;
    private PasclLoss ours = null!;

    /// <summary>On this machine's GPU, where there is one.</summary>
    public ContrastiveLossBenchmarks()
        : this(BenchmarkMachine.Kernels)
    {
    }

    internal ContrastiveLossBenchmarks(KernelDevice? device) => this.device = device;

    /// <summary>The batch.</summary>
    [ParamsSource(nameof(Workloads))]
    public LossWorkload Workload { get; set; } = LossWorkload.Cifar10;

    /// <summary>All batches of losses.</summary>
    public static IEnumerable<LossWorkload> Workloads => LossWorkload.All;

    /// <inheritdoc/>
    public Work WorkOf(object workload)
    {
        // Features in and gradient out; the similarities forward, and two products of their size backward.
        var of = (LossWorkload)workload;
        return new Work(2.0 * sizeof(float) * of.Rows * of.Width, 3.0 * 2 * of.Anchors * of.Contrasts * of.Width);
    }

    /// <summary>Draws the batch and checks every gradient against double precision.</summary>
    [GlobalSetup]
    public void Setup()
    {
        batch = new LossBatch(Workload);
        flags = tensor(Workload.IsTailClass).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        weights = ones(Workload.Classes).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        authors = new AuthorsContrastiveLoss(flags, weights, Workload.Temperature);
        clean = new CleanContrastiveLoss(Workload.IsTailClass, Workload.Temperature);
        ours = new PasclLoss(Workload.IsTailClass, Workload.Temperature);
        ours.to(BenchmarkMachine.Torch);
        var expected = batch.Gradient();
        if (!Skips.NeedsTooMuchMemory(Workload))
        {
            Agreement.Require(nameof(Authors), TorchGradient.Of(() => authors.Forward(batch.Features, batch.Labels), batch.Features), expected, allowed: 1e-4);
            Agreement.Require(nameof(Clean), TorchGradient.Of(() => clean.Forward(batch.Features, batch.Labels), batch.Features), expected, allowed: 1e-4);
            Agreement.Require(nameof(Ours), TorchGradient.Of(() => ours.forward(batch.Features, batch.Labels), batch.Features), expected, allowed: 1e-4);
        }

        if (device is not null)
        {
            var expectedOfParticipants = batch.OfParticipants(expected);
            runs.AddRange([
                new RotatedRun(device, () => new NaiveContrastiveRun(device, batch)),
                new RotatedRun(device, () => new FusedContrastiveRun(device, batch)),
                new RotatedRun(device, () => new TensorCoreContrastiveRun(device, batch))]);
            runs[0].Require(nameof(NaiveKernels), expectedOfParticipants, allowed: 1e-4);
            runs[1].Require(nameof(FusedKernels), expected, allowed: 1e-4);
            runs[2].Require(nameof(TensorCoreKernels), expectedOfParticipants, allowed: 1e-3);
        }
    }

    /// <summary>Frees the batch.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
        batch.Dispose();
        flags.Dispose();
        weights.Dispose();
        ours.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The authors' operations.</summary>
    [Benchmark(Baseline = true)]
    public void Authors() => Run(authors.Forward);

    /// <summary>The loss in TorchSharp with care.</summary>
    [Benchmark]
    public void Clean() => Run(clean.Forward);

    /// <summary>Ours without kernels: on the CPU with its own gradient.</summary>
    [Benchmark]
    public void Ours() => Run(ours.forward);

    /// <summary>The simplest kernels.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void NaiveKernels() => runs[0].LaunchRepeatedly();

    /// <summary>Ours in float32.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void FusedKernels() => runs[1].LaunchRepeatedly();

    /// <summary>Ours on tensor cores.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void TensorCoreKernels() => runs[2].LaunchRepeatedly();

    private void Run(Func<Tensor, Tensor, Tensor> loss) => TorchGradient.Run(() => loss(batch.Features, batch.Labels), batch.Features);
}
