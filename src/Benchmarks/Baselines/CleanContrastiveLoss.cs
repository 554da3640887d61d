using Pascl.Training.Losses;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks.Baselines;

/// <summary>The contrastive loss as one writes it in TorchSharp with care: rows picked once, no loop over classes, one cross entropy, autograd.</summary>
/// <param name="isTailClass">(C).</param>
/// <param name="temperature">Divides the similarities.</param>
internal sealed class CleanContrastiveLoss(bool[] isTailClass, double temperature)
{
    // Far below every similarity, yet finite: a row in which everything is excluded has a finite logarithm.
    private const double Excluded = -1e30;

    /// <summary>Computes the loss, a scalar.</summary>
    /// <param name="features">(2N + K, d), rows of unit length.</param>
    /// <param name="labels">(N), int64.</param>
    public Tensor Forward(Tensor features, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var participants = ContrastiveParticipants.Of(labels.cpu().data<long>().ToArray(), (int)features.shape[0], isTailClass);
        var rows = features.index_select(0, tensor(Array.ConvertAll(participants.Rows, row => (long)row), device: features.device)); // (M + K, d)
        var anchors = rows.narrow(0, 0, participants.AnchorClasses.Length) / temperature; // (M, d)
        var classes = tensor(participants.AnchorClasses.Select(label => (long)label).ToArray(), device: features.device);
        return OfSimilarities(anchors.mm(rows.t()), classes).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the loss from the similarities.</summary>
    /// <param name="logits">(M, M + K).</param>
    /// <param name="classes">(M), int64: the anchors' classes.</param>
    public static Tensor OfSimilarities(Tensor logits, Tensor classes)
    {
        using var scope = NewDisposeScope();
        var (anchors, contrasts) = (logits.shape[0], logits.shape[1]);
        var isPositive = classes.unsqueeze(1).eq(classes).to(logits.dtype) - eye(anchors, dtype: logits.dtype, device: logits.device); // (M, M)
        var share = isPositive / isPositive.sum(1, keepdim: true).clamp_min_(1).mul_(anchors); // (M, M)
        var targets = functional.pad(share, [0, contrasts - anchors]); // (M, M + K)
        var exclusion = eye(anchors, contrasts, logits.dtype, device: logits.device).mul_(Excluded);
        return functional.cross_entropy(logits + exclusion, targets, reduction: Reduction.Sum).MoveToOuterDisposeScope();
    }
}
