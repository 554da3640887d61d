using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Baselines;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Benchmarks;

/// <summary>The contrastive loss from the similarities (M, M + K) on, and its gradient with respect to them.</summary>
[Config(typeof(ShortRuns))]
public class MaskedLossBenchmarks : IDeclaresWork, IDisposable
{
    private readonly KernelDevice? device;
    private readonly List<RotatedRun> runs = [];
    private LossBatch batch = null!;
    private AuthorsContrastiveLoss authors = null!;
    private HostMaskedLoss host = null!;
    private Tensor anchorClasses = null!;
    private Tensor similarity = null!;
    private Tensor tailLabels = null!;
    private Tensor flags = null!;
    private Tensor weights = null!;

    /// <summary>On this machine's GPU, where there is one.</summary>
    public MaskedLossBenchmarks()
        : this(BenchmarkMachine.Kernels)
    {
    }

    internal MaskedLossBenchmarks(KernelDevice? device) => this.device = device;

    /// <summary>The batch.</summary>
    [ParamsSource(nameof(Workloads))]
    public LossWorkload Workload { get; set; } = LossWorkload.Cifar10;

    /// <summary>All batches whose similarities can be stored.</summary>
    public static IEnumerable<LossWorkload> Workloads => LossWorkload.All.Where(workload => !Skips.NeedsTooMuchMemory(workload));

    /// <inheritdoc/>
    public Work WorkOf(object workload)
    {
        // Similarities in, gradient out; about five operations an element: shift, exponential, sum, quotient, difference.
        var of = (LossWorkload)workload;
        return new Work(2.0 * sizeof(float) * of.Anchors * of.Contrasts, 5.0 * of.Anchors * of.Contrasts);
    }

    /// <summary>Computes the similarities of the batch and checks every gradient against the reference in double precision.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using var scope = NewDisposeScope();
        batch = new LossBatch(Workload);
        flags = tensor(Workload.IsTailClass).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        weights = ones(Workload.Classes).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        authors = new AuthorsContrastiveLoss(flags, weights, Workload.Temperature);
        host = new HostMaskedLoss([.. Enumerable.Repeat(1.0, Workload.Classes)], temperature: 1);
        anchorClasses = tensor(batch.AnchorClasses.Select(label => (long)label).ToArray()).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        long[] tail = [.. batch.AnchorClasses.Take(Workload.TailImages).Select(label => (long)label)];
        tailLabels = tensor(tail).to(BenchmarkMachine.Torch).DetachFromDisposeScope();
        var rows = tensor(batch.ParticipantValues).reshape(Workload.Contrasts, Workload.Width);
        var stored = rows.narrow(0, 0, Workload.Anchors).mm(rows.t()) / Workload.Temperature;
        similarity = stored.to(BenchmarkMachine.Torch).requires_grad_().DetachFromDisposeScope();

        var values = stored.data<float>().ToArray();
        var expected = MaskedLossReference.Backward(Array.ConvertAll(values, value => (double)value), Workload.Contrasts, batch.AnchorClasses);
        Agreement.Require(nameof(Authors), TorchGradient.Of(ByAuthors, similarity), expected, allowed: 1e-4);
        Agreement.Require(nameof(Clean), TorchGradient.Of(ByTorch, similarity), expected, allowed: 1e-4);
        Agreement.Require(nameof(Host), OnHost().data<float>().ToArray(), expected, allowed: 1e-4);
        if (device is not null)
        {
            runs.AddRange([
                new RotatedRun(device, () => new MaskedLossRun(device, values, batch.AnchorClasses, MaskedLossVariant.TwoPass)),
                new RotatedRun(device, () => new MaskedLossRun(device, values, batch.AnchorClasses, MaskedLossVariant.Online))]);
            runs[0].Require(nameof(TwoPassKernels), expected, allowed: 1e-4);
            runs[1].Require(nameof(OnlineKernels), expected, allowed: 1e-4);
        }
    }

    /// <summary>Frees the batch.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
        Array.ForEach([similarity, anchorClasses, tailLabels, flags, weights], item => item.Dispose());
        batch.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The authors' operations.</summary>
    [Benchmark(Baseline = true)]
    public void Authors() => TorchGradient.Run(ByAuthors, similarity);

    /// <summary>The loss in TorchSharp with care.</summary>
    [Benchmark]
    public void Clean() => TorchGradient.Run(ByTorch, similarity);

    /// <summary>Ours on the CPU, with the copy that it overwrites.</summary>
    [Benchmark]
    public void Host() => OnHost().Dispose();

    /// <summary>Two readings of each row.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void TwoPassKernels() => runs[0].LaunchRepeatedly();

    /// <summary>Ours: one reading of each row.</summary>
    [Benchmark(OperationsPerInvoke = RotatedRun.Repeats), BenchmarkCategory(BenchmarkMachine.Gpu)]
    public void OnlineKernels() => runs[1].LaunchRepeatedly();

    private Tensor ByAuthors() => authors.OfSimilarities(similarity, tailLabels);

    private Tensor ByTorch() => CleanContrastiveLoss.OfSimilarities(similarity, anchorClasses);

    // On a copy: the gradient takes the place of the similarities.
    private Tensor OnHost()
    {
        var slopes = similarity.detach().cpu().clone();
        host.Replace(slopes, batch.AnchorClasses);
        return slopes;
    }
}
