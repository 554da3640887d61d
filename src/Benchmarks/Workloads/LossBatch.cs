using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using Pascl.Training.Loss;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Workloads;

/// <summary>A workload's numbers: random rows of unit length, the same in every run.</summary>
internal sealed class LossBatch : IDisposable
{
    /// <summary>Anchors above which the plain loops in double precision take longer than what they check; torch in double precision takes their place.</summary>
    public const int LargestForReference = 128;

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

        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Workload.IsTailClass, Workload.Temperature);
        var features = tensor(values).reshape(Workload.Rows, Workload.Width).requires_grad_();
        return autograd.grad([loss.forward(features, tensor(Classes))], [features])[0].data<double>().ToArray();
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
}
