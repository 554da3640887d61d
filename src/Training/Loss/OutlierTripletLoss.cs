using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// COCL's loss of outliers (Miao et al., AAAI 2024): an outlier is pulled towards the outlier of the batch that is farthest from it, o+, and pushed away from a
/// drawn head image h. Gradients go through all three, not through the choice of o+.
/// <code>
/// L = mean over outliers o of relu( |o - o+| - |o - h| + margin )
/// </code>
/// </summary>
internal static class OutlierTripletLoss
{
    /// <summary>The loss, a scalar.</summary>
    /// <param name="outliers">(K, d): features of the outliers.</param>
    /// <param name="drawn">(K, d): features of the drawn head images.</param>
    /// <param name="margin">The margin.</param>
    public static Tensor Of(Tensor outliers, Tensor drawn, double margin)
    {
        using var scope = NewDisposeScope();
        var farthest = outliers.index_select(0, Farthest(outliers)); // (K, d)
        return functional.relu(Distance(outliers, farthest) - Distance(outliers, drawn) + margin).mean().MoveToOuterDisposeScope();
    }

    // (K): for each row the one farthest from it, the first of equally far ones.
    private static Tensor Farthest(Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var values = rows.detach();
        return cdist(values, values).argmax(1).MoveToOuterDisposeScope();
    }

    // At distance 0 torch's norm has the subgradient 0.
    private static Tensor Distance(Tensor left, Tensor right) => (left - right).norm(1);
}
