namespace Pascl.Training.Recipes;

/// <summary>Constants of the rival methods; each method reads its own. docs/methods.md has the equations and the sources.</summary>
public sealed record RivalRecipe
{
    /// <summary>The constants that the methods' authors use on CIFAR100-LT; the defaults are those of CIFAR10-LT.</summary>
    public static RivalRecipe Cifar100 { get; } = new()
    {
        Energy = new EnergyRecipe { InDistributionMargin = -27 },
        Berl = new BerlRecipe { MarginSlope = 100 },
        Eat = new EatRecipe { AbstentionColumns = 30 },
    };

    /// <summary>Hinges of the energy: EnergyOE and BERL.</summary>
    public EnergyRecipe Energy { get; init; } = new();

    /// <summary>The balance of BERL.</summary>
    public BerlRecipe Berl { get; init; } = new();

    /// <summary>COCL.</summary>
    public CoclRecipe Cocl { get; init; } = new();

    /// <summary>EAT.</summary>
    public EatRecipe Eat { get; init; } = new();
}
