using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// BERL's hinge of outliers (Choi et al., CVPR 2023): outliers that look like a class which outliers often look like count more and are pushed further. With
/// P^g_c = P_c^g / sum P^g and Z_g(x) = sum_c P^g_c softmax(z)_c:
/// <code>
/// L = sum_x Z_g2 relu( m_out - E + lambda Z_g1 )^2 / sum_x Z_g2
/// </code>
/// </summary>
internal sealed class BalancedOutlierHinge : Module
{
    private readonly double margin;
    private readonly double slope;
    private readonly bool detaches;
    private readonly Tensor marginPrior;
    private readonly Tensor weightPrior;

    /// <summary>Creates the hinge.</summary>
    /// <param name="shares">(C): P, the share of each class among the start model's predictions on outliers, float64; not disposed.</param>
    /// <param name="marginExponent">g1.</param>
    /// <param name="weightExponent">g2.</param>
    /// <param name="margin">m_out.</param>
    /// <param name="slope">lambda.</param>
    /// <param name="detaches">Whether Z is a constant; in the authors' release gradients flow through it everywhere.</param>
    public BalancedOutlierHinge(Tensor shares, double marginExponent, double weightExponent, double margin, double slope, bool detaches)
        : base(nameof(BalancedOutlierHinge))
    {
        (this.margin, this.slope, this.detaches) = (margin, slope, detaches);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        marginPrior = Prior(shares, marginExponent); // (C)
        weightPrior = Prior(shares, weightExponent); // (C)
        RegisterComponents();
    }

    /// <summary>The loss of K outliers, and the share of them whose hinge is active; scalars.</summary>
    /// <param name="logits">(K, C).</param>
    public (Tensor Loss, Tensor ActiveShare) Terms(Tensor logits)
    {
        using var scope = NewDisposeScope();
        var probabilities = detaches ? logits.detach().softmax(1) : logits.softmax(1); // (K, C)
        var hinge = functional.relu(margin - EnergyHinge.Energy(logits) + (slope * probabilities.mv(marginPrior.to(logits.dtype))));
        var weights = probabilities.mv(weightPrior.to(logits.dtype)); // (K)
        var loss = (weights * hinge.square()).sum() / weights.sum();
        return (loss.MoveToOuterDisposeScope(), EnergyHinge.Active(hinge).MoveToOuterDisposeScope());
    }

    private static Tensor Prior(Tensor shares, double exponent)
    {
        var powers = shares.to(ScalarType.Float64).pow(exponent);
        return (powers / powers.sum()).DetachFromDisposeScope();
    }
}
