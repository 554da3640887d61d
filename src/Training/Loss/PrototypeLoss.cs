using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// COCL's loss of tail images (Miao et al., AAAI 2024): an image is pulled towards the prototype of its tail class and pushed away from the other prototypes and
/// from the outliers of the batch. With n(.) = <see cref="NormaliseHalves"/>:
/// <code>
/// L = mean over anchors i of CE( &lt; n(f_i), [n(U); n(O)] &gt; / temperature, tail index of i )
/// </code>
/// </summary>
internal static class PrototypeLoss
{
    /// <summary>The loss, a scalar; without an anchor 0, with gradients that are zero.</summary>
    /// <param name="anchors">(T, d): features of tail images.</param>
    /// <param name="targets">(T), int64: the index of each one's prototype.</param>
    /// <param name="prototypes">(P, d), U.</param>
    /// <param name="outliers">(K, d), O: features of the outliers.</param>
    /// <param name="temperature">Divides the products, which lie in [-2, 2].</param>
    public static Tensor Of(Tensor anchors, Tensor targets, Tensor prototypes, Tensor outliers, double temperature)
    {
        using var scope = NewDisposeScope();
        if (targets.shape[0] == 0)
        {
            return (prototypes.sum() * 0).MoveToOuterDisposeScope();
        }

        var contrasts = cat([NormaliseHalves(prototypes), NormaliseHalves(outliers)]); // (P + K, d)
        var similarity = NormaliseHalves(anchors).mm(contrasts.t()) / temperature; // (T, P + K)
        return functional.cross_entropy(similarity, targets).MoveToOuterDisposeScope();
    }

    /// <summary>Scales each half of every row to length 1.</summary>
    /// <param name="rows">(B, d), d even.</param>
    public static Tensor NormaliseHalves(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var halves = rows.reshape(rows.shape[0], 2, rows.shape[1] / 2); // (B, 2, d / 2)
        return functional.normalize(halves, dim: 2).reshape(rows.shape).MoveToOuterDisposeScope();
    }
}
