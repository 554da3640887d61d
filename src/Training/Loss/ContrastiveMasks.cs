using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// Who takes part in the contrastive loss of a batch, without reading the labels: all 2N rows of images stay anchors, and those of head classes are neither
/// contrasts nor of any weight.
/// </summary>
internal sealed class ContrastiveMasks : Module
{
    // Far below every similarity, yet finite: a row in which everything is excluded has a finite logarithm and a zero gradient, not NaN.
    private const double Excluded = -1e30;

    private readonly Tensor isTailClass;
    private readonly Tensor classWeights;

    /// <summary>Keeps the classes on the module's device.</summary>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="weights">(C): the weight of a class's anchors.</param>
    public ContrastiveMasks(bool[] tailFlags, double[] weights)
        : base(nameof(ContrastiveMasks))
    {
        isTailClass = tensor(tailFlags).DetachFromDisposeScope(); // (C)
        classWeights = tensor(weights).DetachFromDisposeScope(); // (C), float64
        RegisterComponents();
    }

    /// <summary>(C): whether a class's images are anchors, on the module's device.</summary>
    public Tensor IsTailClass => isTailClass;

    /// <summary>
    /// What is added to the similarities, (2N, 2N + K), so that a softmax passes over an anchor itself and over images of head classes; and the distribution that
    /// the softmax of each row is to have, times the row's weight: w_i / M / |P_i| for the other anchors of its class, 0 elsewhere. M is the number of anchors.
    /// </summary>
    public (Tensor Exclusion, Tensor Targets) Of(Tensor features, Tensor labels)
    {
        var classes = cat([labels, labels]); // (2N)
        var isAnchor = isTailClass.index_select(0, classes); // (2N)
        var isExcluded = eye(classes.shape[0], features.shape[0], dtype: ScalarType.Bool, device: features.device); // (2N, 2N + K)
        var isExcludedImage = isExcluded.narrow(1, 0, classes.shape[0]).logical_or_(isAnchor.logical_not()); // (2N, 2N)
        var isPositive = classes.unsqueeze(1).eq(classes).logical_and_(isExcludedImage.logical_not()).to(ScalarType.Float64); // (2N, 2N)
        var weight = classWeights.index_select(0, classes).mul_(isAnchor).div_(isAnchor.sum().clamp_min_(1)); // (2N)
        weight = weight.div_(isPositive.sum(1).clamp_min_(1)).unsqueeze(1); // (2N, 1)
        var targets = zeros_like(isExcluded, features.dtype);
        targets.narrow(1, 0, classes.shape[0]).copy_(isPositive.mul_(weight));
        return (isExcluded.to(features.dtype).mul_(Excluded), targets);
    }
}
