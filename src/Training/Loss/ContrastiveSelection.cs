using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// Who takes part in the contrastive loss of a batch: the rows, of which the first A may be anchors; what is added to the similarities (A, A + K) so that a
/// softmax passes over an anchor itself and over images of head classes; and the distribution that the softmax of each row is to have, times the row's weight.
/// </summary>
/// <remarks>The target of anchor i is w_i / M / |P_i| for its positives, the other anchors of its class, and 0 elsewhere. M is the number of anchors.</remarks>
internal sealed class ContrastiveSelection : Module
{
    // Far below every similarity, yet finite: a row in which everything is excluded has a finite logarithm and a zero gradient, not NaN.
    private const double Excluded = -1e30;

    private readonly bool[] tailFlags;
    private readonly double[] weights;
    private readonly Tensor isTailClass;
    private readonly Tensor classWeights;

    /// <summary>Keeps the classes on the host and, as part of a module, on the module's device.</summary>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="weights">(C): the weight of a class's anchors.</param>
    public ContrastiveSelection(bool[] tailFlags, double[] weights)
        : base(nameof(ContrastiveSelection))
    {
        (this.tailFlags, this.weights) = (tailFlags, weights);
        isTailClass = tensor(tailFlags).DetachFromDisposeScope(); // (C)
        classWeights = tensor(weights).DetachFromDisposeScope(); // (C), float64
        RegisterComponents();
    }

    /// <summary>(C): whether a class's images are anchors, on the module's device.</summary>
    public Tensor IsTailClass => isTailClass;

    /// <summary>Picks the anchors' rows on the host, which reads the labels: A = M.</summary>
    public (Tensor Rows, Tensor Exclusion, Tensor Targets) Picked(Tensor features, Tensor labels)
    {
        var classes = labels.data<long>().ToArray();
        var (anchors, images) = (new List<int>(), classes.Length);
        for (var row = 0; row < 2 * images; row++)
        {
            if (IsTail(classes[row % images]))
            {
                anchors.Add(row);
            }
        }

        var outliers = (int)features.shape[0] - (2 * images);
        var rows = features.index_select(0, tensor([.. anchors, .. Enumerable.Range(2 * images, outliers)])); // (M + K, d)
        var (exclusion, targets) = Targets(anchors.ConvertAll(row => (int)classes[row % images]), (int)rows.shape[0], features.dtype);
        return (rows, exclusion, targets);
    }

    /// <summary>Exclusion and targets, (M, contrasts), of anchors whose classes are known.</summary>
    public (Tensor Exclusion, Tensor Targets) Targets(IReadOnlyList<int> classes, int contrasts, ScalarType type)
    {
        var exact = type == ScalarType.Float64;
        var targets = zeros(classes.Count, contrasts, exact ? ScalarType.Float64 : ScalarType.Float32);
        if (exact)
        {
            FillTargets<double>(targets, classes);
        }
        else
        {
            FillTargets<float>(targets, classes);
        }

        return (eye(classes.Count, contrasts, type).mul_(Excluded), targets.to(type));
    }

    /// <summary>Leaves all 2N rows of images as anchors, and makes those of head classes neither contrasts nor of any weight; nothing is read back.</summary>
    public (Tensor Rows, Tensor Exclusion, Tensor Targets) Masked(Tensor features, Tensor labels)
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
        return (features, isExcluded.to(features.dtype).mul_(Excluded), targets);
    }

    private void FillTargets<T>(Tensor targets, IReadOnlyList<int> classes)
        where T : unmanaged, INumber<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(targets.bytes);
        var columns = (int)targets.shape[1];
        var counts = new int[weights.Length];
        foreach (var label in classes)
        {
            counts[label]++;
        }

        for (var i = 0; i < classes.Count; i++)
        {
            var target = T.CreateChecked(weights[classes[i]] / classes.Count / Math.Max(1, counts[classes[i]] - 1));
            for (var j = 0; j < classes.Count; j++)
            {
                if (j != i && classes[j] == classes[i])
                {
                    values[(i * columns) + j] = target;
                }
            }
        }
    }

    private bool IsTail(long label) => label >= 0 && label < tailFlags.Length
        ? tailFlags[label]
        : throw new ArgumentException($"There is a label {label}, but the classes are 0 to {tailFlags.Length - 1}.");
}
