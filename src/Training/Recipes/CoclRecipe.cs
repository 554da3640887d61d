namespace Pascl.Training.Recipes;

/// <summary>COCL (Miao et al., AAAI 2024); the values are those of the authors' release for CIFAR10-LT and CIFAR100-LT.</summary>
public sealed record CoclRecipe
{
    /// <summary>Weight of the outliers' cross entropy to the outlier column.</summary>
    public double OutlierWeight { get; init; } = 0.05;

    /// <summary>Weight of the loss that pulls tail images to their class's prototype and away from the outliers.</summary>
    public double TailWeight { get; init; } = 0.05;

    /// <summary>Weight of the triplet loss that pushes outliers away from head images.</summary>
    public double HeadWeight { get; init; } = 0.1;

    /// <summary>Temperature of the tail loss.</summary>
    public double Temperature { get; init; } = 0.07;

    /// <summary>Margin of the head loss.</summary>
    public double HeadMargin { get; init; } = 1;

    /// <summary>Fraction of the classes that are head classes: those with the most training images.</summary>
    public double HeadFraction { get; init; } = 0.4;

    /// <summary>Whether one class more is a head class, as the comparison in the authors' release has it.</summary>
    public bool IncludesNextHeadClass { get; init; }

    /// <summary>tau of the outlier logit calibration at evaluation, z_c - tau log prior_c for the classes; 0 leaves it out.</summary>
    public double Calibration { get; init; } = 1;
}
