using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Losses;

/// <summary>
/// Logit-adjusted cross entropy (Menon et al., ICLR 2021): cross entropy of z + tau * log(prior), the prior being each class's share of the training images.
/// Training with it makes the plain z a prediction for equally frequent classes.
/// </summary>
public sealed class LogitAdjustment : Module<Tensor, Tensor, Tensor>
{
    private readonly Tensor adjustment;

    /// <summary>Creates the loss for a classification task with C classes.</summary>
    /// <param name="trainingCounts">C numbers of training images, each above 0.</param>
    /// <param name="tau">Strength of the adjustment; 1 is consistent for balanced error, 0 is plain cross entropy.</param>
    public LogitAdjustment(IReadOnlyList<int> trainingCounts, double tau = 1)
        : base(nameof(LogitAdjustment))
    {
        adjustment = tensor(Of(trainingCounts, tau)).DetachFromDisposeScope(); // (C), float64
        RegisterComponents();
    }

    /// <summary>What is added to the logits of C classes: tau * log(prior).</summary>
    /// <param name="trainingCounts">C numbers of training images, each above 0.</param>
    /// <param name="tau">Strength of the adjustment.</param>
    public static double[] Of(IReadOnlyList<int> trainingCounts, double tau = 1)
    {
        if (trainingCounts.Any(count => count <= 0))
        {
            throw new ArgumentException($"The training counts are {string.Join(" ", trainingCounts)}; every class needs an image.", nameof(trainingCounts));
        }

        double total = trainingCounts.Sum(count => (long)count);
        return [.. trainingCounts.Select(count => tau * Math.Log(count / total))];
    }

    /// <summary>Computes the loss of a batch, a scalar.</summary>
    /// <param name="logits">(N, C).</param>
    /// <param name="labels">(N), int64.</param>
    public override Tensor forward(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return functional.cross_entropy(logits + adjustment.to(logits.dtype), labels).MoveToOuterDisposeScope();
    }
}
