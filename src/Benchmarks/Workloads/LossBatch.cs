using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Workloads;

/// <summary>A workload's numbers: random rows of unit length, the same in every run.</summary>
internal sealed class LossBatch : IDisposable
{
    /// <summary>Anchors above which the plain loops in double precision take longer than what they check; torch in double precision takes their place.</summary>
    public const int LargestForReference = 128;

    private const int AnchorsAtOnce = 256;

    /// <summary>Draws the numbers.</summary>
    public LossBatch(LossWorkload workload)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        Workload = workload;
        var rows = nn.functional.normalize(randn(workload.Rows, workload.Width, generator: random));
        Values = rows.data<float>().ToArray();
        Classes = workload.Labels();
        Features = rows.to(BenchmarkMachine.Torch).detach().requires_grad_().MoveToOuterDisposeScope();
        Labels = tensor(Classes).to(BenchmarkMachine.Torch).MoveToOuterDisposeScope();
        Participants =
        [
            .. Enumerable.Range(0, 2 * workload.Images).Where(row => workload.IsTailClass[Classes[row % workload.Images]]),
            .. Enumerable.Range(2 * workload.Images, workload.Outliers),
        ];
        AnchorClasses = [.. Participants.Take(workload.Anchors).Select(row => (int)Classes[row % workload.Images])];
    }

    /// <summary>What it is a batch of.</summary>
    public LossWorkload Workload { get; }

    /// <summary>(2N + K, d), with a gradient.</summary>
    public Tensor Features { get; }

    /// <summary>(N), int64.</summary>
    public Tensor Labels { get; }

    /// <summary>The features' numbers.</summary>
    public float[] Values { get; }

    /// <summary>The labels' numbers.</summary>
    public long[] Classes { get; }

    /// <summary>The M + K rows that take part: anchors, then outliers.</summary>
    public int[] Participants { get; }

    /// <summary>(M).</summary>
    public int[] AnchorClasses { get; }

    /// <summary>The rows that take part, (M + K, d).</summary>
    public float[] ParticipantValues => [.. Participants.SelectMany(row => Values.AsSpan(row * Workload.Width, Workload.Width).ToArray())];

    /// <summary>The gradient of the contrastive loss with respect to the features, (2N + K, d), in double precision.</summary>
    public double[] Gradient()
    {
        double[] values = Array.ConvertAll(Values, value => (double)value);
        if (Workload.Anchors <= LargestForReference)
        {
            return FusedContrastiveLossReference.BackwardOfBatch(
                values, Workload.Width, Array.ConvertAll(Classes, label => (int)label), Workload.IsTailClass, Workload.Temperature);
        }

        return GradientByTorch(values);
    }

    /// <summary>The same by torch's operations in double precision, a few anchors at a time: the similarities of the largest batches exceed any memory.</summary>
    internal double[] GradientByTorch(double[] values)
    {
        using var scope = NewDisposeScope();
        var all = tensor(values).reshape(Workload.Rows, Workload.Width).to(BenchmarkMachine.Torch);
        var indices = tensor(Array.ConvertAll(Participants, row => (long)row)).to(BenchmarkMachine.Torch);
        var rows = all.index_select(0, indices).requires_grad_(); // (M + K, d)
        var classes = tensor(Array.ConvertAll(AnchorClasses, label => (long)label)).to(BenchmarkMachine.Torch); // (M)
        var gradient = zeros_like(rows);
        for (var first = 0; first < Workload.Anchors; first += AnchorsAtOnce)
        {
            using var step = NewDisposeScope();
            var loss = LossOf(rows, classes, first, Math.Min(AnchorsAtOnce, Workload.Anchors - first));
            gradient.add_(autograd.grad([loss], [rows])[0]);
        }

        return zeros_like(all).index_copy_(0, indices, gradient).cpu().data<double>().ToArray();
    }

    /// <summary>Those of a gradient's rows that take part.</summary>
    public double[] OfParticipants(double[] gradient) =>
        [.. Participants.SelectMany(row => gradient.AsSpan(row * Workload.Width, Workload.Width).ToArray())];

    /// <inheritdoc/>
    public void Dispose()
    {
        Features.Dispose();
        Labels.Dispose();
    }

    // What some of the anchors add to the loss.
    private Tensor LossOf(Tensor rows, Tensor classes, int first, int count)
    {
        var similarity = rows.narrow(0, first, count).mm(rows.t()) / Workload.Temperature; // (count, M + K)
        var isSelf = arange(first, first + count, device: rows.device).unsqueeze(1).eq(arange(Workload.Contrasts, device: rows.device));
        var logarithm = similarity.masked_fill(isSelf, double.NegativeInfinity).log_softmax(1).masked_fill(isSelf, 0).narrow(1, 0, Workload.Anchors);
        var isPositive = classes.narrow(0, first, count).unsqueeze(1).eq(classes).logical_and(isSelf.narrow(1, 0, Workload.Anchors).logical_not());
        var share = isPositive.to(ScalarType.Float64) / isPositive.sum(1, keepdim: true).clamp_min_(1) / Workload.Anchors; // (count, M)
        return -logarithm.mul(share).sum();
    }
}
