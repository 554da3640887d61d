using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;
using static Pascl.Training.Recipes.RecipeChecks;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy, outlier exposure and the partial asymmetric contrastive loss.</summary>
internal sealed class PasclMethod() : MethodDefinition(Method.Pascl)
{
    public override IReadOnlyList<RecipeOption> Options => [OptionTable.OutlierWeight, OptionTable.ContrastiveWeight, OptionTable.Temperature, OptionTable.LabelSmoothing];

    public override bool MakesOutliers => true;

    public override bool ChangesPixels(Recipe recipe) => recipe.VirtualOutliers.Mixes;

    public override void Validate(Recipe recipe)
    {
        Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for pascl, which contrasts them");
        var made = recipe.VirtualOutliers;
        Require(
            !made.Draws || made.Near < made.Far, "The far edge of the annulus", made.Far,
            FormattableString.Invariant($"above the near edge, {made.Near}"));
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { KeepsClassMeans = recipe.VirtualOutliers.Draws };

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        var (made, count, seed, tail) = (recipe.VirtualOutliers, recipe.OutlierBatchSize, recipe.SeedOf(phase: 0), recipe.Tail(trainingCounts).Flags);
        return new PasclObjective(recipe.Loss, tail, device)
        {
            Mixing = made.Mixes ? new MixedOutliers(made, count, seed) : null,
            Annulus = made.Draws ? new ClassAnnulus(model.Method!.ClassMeans!, tail, made, count, seed) : null,
        };
    }
}

/// <summary>L = L_in + lambda1 L_out + lambda2 L_con over one joint batch [view 1; view 2; outliers].</summary>
internal sealed class PasclObjective : Objective
{
    private readonly LogitObjective logits;
    private readonly PasclLoss contrast;
    private readonly double contrastWeight;

    /// <summary>Creates the objective.</summary>
    /// <param name="weights">lambda1, lambda2, the temperature and the label smoothing.</param>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="device">What it computes on.</param>
    /// <param name="classWeights">(C) weights of the contrastive loss's anchors by class; 1 for each class where it is null.</param>
    public PasclObjective(LossRecipe weights, bool[] tailFlags, ComputeDevice device, IReadOnlyList<double>? classWeights = null)
    {
        logits = new LogitObjective(device, weights.OutlierWeight, labelSmoothing: weights.LabelSmoothing);
        contrast = new PasclLoss(tailFlags, weights.Temperature, classWeights, device.Kernels).to(device.Torch);
        contrastWeight = weights.ContrastiveWeight;
        TermNames = [.. logits.TermNames, "contrastive"];
    }

    public override IReadOnlyList<string> TermNames { get; }

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Projection;

    /// <summary>Makes the outliers of a batch that has none; null where they are images of their own.</summary>
    public MixedOutliers? Mixing { get; init; }

    /// <summary>Draws further contrasts of the contrastive loss; null where there are none.</summary>
    public ClassAnnulus? Annulus { get; init; }

    public override Batch Input(Batch batch) => Mixing?.Append(batch) ?? batch;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        var terms = logits.Terms(output, batch, clock);
        clock?.Begin(StepPart.ContrastiveLoss);
        var contrasted = Annulus is null ? output.Projection : cat([output.Projection, Annulus.Draw(output.Projection, batch)]);
        var contrastive = contrast.forward(contrasted, batch.Labels);
        return terms with
        {
            Total = terms.Total + (contrastWeight * contrastive),

            // Nothing can be mixed in a batch of one class, and the annulus has no logits.
            Outliers = terms.Outliers ?? zeros_like(terms.InDistribution),
            Further = [contrastive],
        };
    }

    public override void Dispose()
    {
        logits.Dispose();
        contrast.Dispose();
        base.Dispose();
    }
}
