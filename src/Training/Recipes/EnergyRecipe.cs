namespace Pascl.Training.Recipes;

/// <summary>Squared hinges of the energy E = -log sum exp z (Liu et al., NeurIPS 2020); the values are those of the authors' run script for CIFAR-10.</summary>
public sealed record EnergyRecipe
{
    /// <summary>Weight of the two hinges together.</summary>
    public double Weight { get; init; } = 0.1;

    /// <summary>m_in: in-distribution images whose energy is above it are pulled down.</summary>
    public double InDistributionMargin { get; init; } = -23;

    /// <summary>m_out: outliers whose energy is below it are pushed up.</summary>
    public double OutlierMargin { get; init; } = -5;

    /// <summary>
    /// Share of the first phase over which the weight rises linearly from 0, in [0, 1]. Ours: from initial weights the hinges are hundreds of times the cross
    /// entropy.
    /// </summary>
    public double WarmUp { get; init; } = 0.5;
}
