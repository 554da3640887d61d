using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy, outlier exposure and the partial asymmetric contrastive loss.</summary>
internal sealed class PasclMethod() : MethodDefinition(Method.Pascl)
{
    public override IReadOnlyList<RecipeOption> Options => [OptionTable.OutlierWeight, OptionTable.ContrastiveWeight, OptionTable.Temperature];

    public override void Validate(Recipe recipe) => Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for pascl, which contrasts them");

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new PasclObjective(recipe.Loss, recipe.Tail(trainingCounts).Flags, device);
}

/// <summary>L = L_in + lambda1 L_out + lambda2 L_con over one joint batch [view 1; view 2; outliers].</summary>
internal sealed class PasclObjective : Objective
{
    private readonly LogitObjective logits;
    private readonly PasclLoss contrast;
    private readonly double contrastWeight;

    /// <summary>Creates the objective.</summary>
    /// <param name="weights">lambda1, lambda2 and the temperature.</param>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="device">What it computes on.</param>
    /// <param name="classWeights">(C) weights of the contrastive loss's anchors by class; 1 for each class where it is null.</param>
    public PasclObjective(LossRecipe weights, bool[] tailFlags, ComputeDevice device, IReadOnlyList<double>? classWeights = null)
    {
        logits = new LogitObjective(device, weights.OutlierWeight);
        contrast = new PasclLoss(tailFlags, weights.Temperature, classWeights, device.Kernels).to(device.Torch);
        contrastWeight = weights.ContrastiveWeight;
        TermNames = [.. logits.TermNames, "contrastive"];
    }

    public override IReadOnlyList<string> TermNames { get; }

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Projection;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        var terms = logits.Terms(output, batch, clock);
        clock?.Begin(StepPart.ContrastiveLoss);
        var contrastive = contrast.forward(output.Projection, batch.Labels);
        return terms with { Total = terms.Total + (contrastWeight * contrastive), Further = [contrastive] };
    }

    public override void Dispose()
    {
        logits.Dispose();
        contrast.Dispose();
        base.Dispose();
    }
}
