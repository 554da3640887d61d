using Pascl.Training.Data;

namespace Pascl.Training.Recipes;

/// <summary>Weights and constants of L = L_in + lambda1 L_out + lambda2 L_con and of the second phase's logit adjustment.</summary>
public sealed record LossRecipe
{
    /// <summary>lambda1, the weight of outlier exposure.</summary>
    public double OutlierWeight { get; init; } = 0.5;

    /// <summary>lambda2, the weight of the contrastive loss.</summary>
    public double ContrastiveWeight { get; init; } = 0.1;

    /// <summary>Temperature of the contrastive similarities.</summary>
    public double Temperature { get; init; } = 0.07;

    /// <summary>k, the fraction of classes whose images are anchors: those with the fewest training images.</summary>
    public double TailFraction { get; init; } = 0.4;

    /// <summary>Which classes count as the tail.</summary>
    public TailRule TailRule { get; init; } = TailRule.FewestImages;

    /// <summary>tau of the logit adjustment in the second phase; 0 trains with plain cross entropy.</summary>
    public double LogitAdjustment { get; init; } = 1;
}
