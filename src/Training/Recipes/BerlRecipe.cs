namespace Pascl.Training.Recipes;

/// <summary>
/// BERL's balance of the outlier hinge by P, the share of each class among the predictions of the start model on the outliers (Choi et al., CVPR 2023). The
/// values are those of the authors' release for CIFAR10-LT and ResNet.
/// </summary>
public sealed record BerlRecipe
{
    /// <summary>gamma of the margin: Z = sum_c p_c P_c^gamma / sum P^gamma.</summary>
    public double MarginExponent { get; init; } = 0.75;

    /// <summary>gamma of the weight of an outlier.</summary>
    public double WeightExponent { get; init; } = 0.75;

    /// <summary>lambda: the outlier margin of the energy grows by lambda Z.</summary>
    public double MarginSlope { get; init; } = 10;

    /// <summary>Whether Z is a constant of the step; in the authors' release gradients flow through it.</summary>
    public bool DetachesPrior { get; init; }
}
