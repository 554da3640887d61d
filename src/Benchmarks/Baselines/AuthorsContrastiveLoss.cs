using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks.Baselines;

/// <summary>
/// The contrastive loss as the authors' program computes it, operation by operation, in TorchSharp: tail images picked by a boolean index, identity masks made
/// on the host, the diagonal cut out by masked selection, and a loop over all classes for the weights. What it computes is <c>PasclLoss</c>; how is the
/// baseline.
/// </summary>
/// <param name="isTailClass">(C).</param>
/// <param name="classWeights">(C), on the device of the features; above 0 for classes of the tail.</param>
/// <param name="temperature">Divides the similarities.</param>
internal sealed class AuthorsContrastiveLoss(Tensor isTailClass, Tensor classWeights, double temperature)
{
    /// <summary>Computes the loss, a scalar.</summary>
    /// <param name="features">(2N + K, d), rows of unit length.</param>
    /// <param name="labels">(N), int64.</param>
    public Tensor Forward(Tensor features, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var images = labels.shape[0];
        var isTail = isTailClass[labels]; // (N)
        var tailLabels = labels[isTail]; // (T)
        var views = cat([features.narrow(0, 0, images)[isTail], features.narrow(0, images, images)[isTail]]); // (M, d)
        var outliers = features.narrow(0, 2 * images, features.shape[0] - (2 * images)); // (K, d)
        var logits = matmul(views, cat([views, outliers]).t()) / temperature; // (M, M + K)
        return OfSimilarities(logits, tailLabels).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the loss from the similarities.</summary>
    /// <param name="logits">(M, M + K).</param>
    /// <param name="tailLabels">(T), int64: the classes of the tail images; each has two rows, T apart.</param>
    public Tensor OfSimilarities(Tensor logits, Tensor tailLabels)
    {
        using var scope = NewDisposeScope();
        var (anchors, contrasts) = (logits.shape[0], logits.shape[1]);
        logits = logits - logits.max(1, keepdim: true).values.detach();
        logits = logits.masked_select(Others(anchors, contrasts, logits.device)).view(anchors, contrasts - 1);

        var column = tailLabels.view(-1, 1);
        var isPositive = eq(column, column.t()).to(ScalarType.Float32).repeat(2, 2); // (M, M)
        isPositive = cat([isPositive, zeros(anchors, contrasts - anchors).to(logits.device)], 1);
        isPositive = isPositive.masked_select(Others(anchors, contrasts, logits.device)).view(anchors, contrasts - 1);
        var share = functional.normalize(isPositive, p: 1, dim: 1);

        var losses = (-functional.log_softmax(logits, 1) * share).sum(1); // (M)
        Weigh(losses, tailLabels);
        return losses.mean().MoveToOuterDisposeScope();
    }

    private static Tensor Others(long rows, long columns, Device device) => eye(rows, columns, ScalarType.Bool).logical_not().to(device);

    private void Weigh(Tensor losses, Tensor tailLabels)
    {
        for (var label = 0L; label < classWeights.shape[0]; label++)
        {
            using var scope = NewDisposeScope();
            var isClass = eq(tailLabels, label);
            if (!isClass.sum().gt(0).item<bool>())
            {
                continue;
            }

            var weight = classWeights[label];
            if (!weight.gt(0).item<bool>())
            {
                throw new InvalidOperationException($"Class {label} is of the tail but its weight is not above 0.");
            }

            var rows = cat([isClass, isClass]);
            losses[rows] = losses[rows] * weight;
        }
    }
}
