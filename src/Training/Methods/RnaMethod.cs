using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>
/// RNA: logit-adjusted cross entropy whose images are pulled to long projections, among outliers that have no loss and act through the statistics of BatchNorm alone (Shin and
/// Chung, TMLR 2024). The second phase has no epochs unless the user asks for them: the logits have no prior left that it could remove.
/// </summary>
internal sealed class RnaMethod() : MethodDefinition(Method.Rna)
{
    public override IReadOnlyList<RecipeOption> Options => RnaRecipe.Options;

    public override Recipe Apply(Recipe recipe) =>
        base.Apply(recipe) with { Views = 1, AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { HasUnitProjection = false };

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new RnaObjective(recipe.Baselines.Rna, trainingCounts, device);
}

/// <summary>
/// RNA; the values are those of the authors' release for CIFAR10-LT and CIFAR100-LT. Its main-path BatchNorm there has no affine parameters, which is not offered: ours has them.
/// </summary>
public sealed record RnaRecipe
{
    /// <summary>Weight of the logarithm of the projections' lengths.</summary>
    public double Weight { get; init; } = 0.5;

    /// <summary>tau of the logit adjustment of the first phase.</summary>
    public double Adjustment { get; init; } = 1;

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--rna-weight", "weight of the length of projections", rna => rna.Weight, (rna, value) => rna with { Weight = value },
            "RNA's weight of the length", OptionRanges.Weight),
        Part.Option(
            "--rna-adjustment", "tau of the logit adjustment of the first phase", rna => rna.Adjustment, (rna, value) => rna with { Adjustment = value },
            "RNA's logit adjustment", OptionRanges.Weight),
    ];

    private static RecipePart<RnaRecipe> Part => RecipeParts.Baselines.Part(all => all.Rna, (all, value) => all with { Rna = value });
}

/// <summary>
/// L = CE( z + tau log prior, y ) - w mean log( 1 + |g| ) over the in-distribution rows, g the projections as they are, not scaled to unit length. The rows of outliers have gradients
/// that are zero: through the network's output nothing depends on them.
/// </summary>
internal sealed class RnaObjective : Objective
{
    private readonly LogitObjective crossEntropy;
    private readonly double weight;

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">w and tau.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="device">What it computes on.</param>
    public RnaObjective(RnaRecipe settings, int[] trainingCounts, ComputeDevice device)
    {
        crossEntropy = new LogitObjective(device, adjustment: LogitAdjustment.Of(trainingCounts, settings.Adjustment));
        weight = settings.Weight;
    }

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "norm-gain"];

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Projection;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        var classified = batch.Views * batch.ClassifiedCount;
        var inDistribution = crossEntropy.Terms(output with { Logits = output.Logits.narrow(0, 0, classified) }, batch, clock).Total;
        var gain = NormGain.Of(output.Projection.narrow(0, 0, classified));
        return new LossTerms(inDistribution + (weight * gain), inDistribution, Further: [gain]);
    }

    public override void Dispose()
    {
        crossEntropy.Dispose();
        base.Dispose();
    }
}

/// <summary>RNA's term, which falls while projections grow: -mean log( 1 + |g|_2 ).</summary>
internal static class NormGain
{
    /// <summary>The loss, a scalar. A projection of length 0 has the subgradient 0.</summary>
    /// <param name="projections">(N, width).</param>
    public static Tensor Of(Tensor projections)
    {
        using var scope = NewDisposeScope();
        return projections.norm(1).log1p().mean().neg().MoveToOuterDisposeScope();
    }
}
