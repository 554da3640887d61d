using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>Squared hinges of the energy E = -log sum_c exp(z_c) (Liu et al., NeurIPS 2020), mean over rows.</summary>
internal static class EnergyHinge
{
    /// <summary>(B): the energy of every row of (B, C) logits.</summary>
    public static Tensor Energy(Tensor logits) => logits.logsumexp(1).neg();

    /// <summary>mean relu(E - margin)^2 of in-distribution rows, and the share of rows that are above the margin.</summary>
    public static (Tensor Loss, Tensor ActiveShare) InDistribution(Tensor logits, double margin)
    {
        using var scope = NewDisposeScope();
        var hinge = functional.relu(Energy(logits) - margin);
        return (hinge.square().mean().MoveToOuterDisposeScope(), Active(hinge).MoveToOuterDisposeScope());
    }

    /// <summary>mean relu(margin - E)^2 of outliers, and the share of rows that are below the margin.</summary>
    public static (Tensor Loss, Tensor ActiveShare) Outliers(Tensor logits, double margin)
    {
        using var scope = NewDisposeScope();
        var hinge = functional.relu(margin - Energy(logits));
        return (hinge.square().mean().MoveToOuterDisposeScope(), Active(hinge).MoveToOuterDisposeScope());
    }

    /// <summary>The share of rows whose hinge is above 0, a scalar without gradient.</summary>
    public static Tensor Active(Tensor hinge) => hinge.detach().gt(0).to(hinge.dtype).mean();
}
