namespace Pascl.Training.Recipes;

/// <summary>EAT (Wei et al., AAAI 2024); the values are those of the authors for CIFAR10-LT.</summary>
public sealed record EatRecipe
{
    /// <summary>m, linear heads on one backbone.</summary>
    public int Heads { get; init; } = 3;

    /// <summary>k, abstention columns of a head behind its C classes.</summary>
    public int AbstentionColumns { get; init; } = 3;

    /// <summary>Weight of the tail images that are pasted onto other images.</summary>
    public double MixedWeight { get; init; } = 0.05;

    /// <summary>Weight of the outliers' cross entropy to their virtual labels.</summary>
    public double OutlierWeight { get; init; } = 0.05;

    /// <summary>
    /// Training images that an abstention column counts as in the prior of the second phase; 0 leaves these columns out of its loss (the authors do so on
    /// ImageNet-LT).
    /// </summary>
    public double AbstentionCount { get; init; } = 10_000;
}
