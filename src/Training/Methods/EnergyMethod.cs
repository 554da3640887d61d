using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Methods;

/// <summary>What EnergyOE and BERL have in common: hinges of the energy, the energy as score, and the finetuning of a trained network.</summary>
internal abstract class EnergyMethod(string name, int finetuningEpochs) : MethodDefinition(name)
{
    // The cosine of the authors' finetuning ends at 1e-6, not at 0.
    private const double LearningRate = 1e-3;
    private const double FinalLearningRate = 1e-6;

    public override IReadOnlyList<RecipeOption> Options => [.. EnergyRecipe.Options, OptionTable.LabelSmoothing];

    /// <summary>
    /// From initial weights the schedule stays; from a trained network (<see cref="Recipe.StartingRun"/>) it is the authors' finetuning. The second phase has no
    /// epochs unless the user asks for them.
    /// </summary>
    public override Recipe Apply(Recipe recipe)
    {
        var changed = base.Apply(recipe) with { AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };
        return recipe.StartingRun is null ? changed : Finetuning(changed);
    }

    public override NetworkHead Head(Recipe recipe, int classCount) => base.Head(recipe, classCount) with { Readout = _ => LogitReadout.Energy };

    private Recipe Finetuning(Recipe recipe) => recipe with
    {
        Views = 1,
        ChangesColours = false,
        OutlierBatchSize = 256,
        Representation = new PhaseRecipe
        {
            Epochs = finetuningEpochs,
            BatchSize = 128,
            Optimiser = new OptimiserSettings(OptimiserKind.Sgd, LearningRate, WeightDecay: 5e-4, Momentum: 0.9, Nesterov: true),
            Schedule = new LearningRateSchedule { EveryStep = true, FinalFactor = FinalLearningRate / LearningRate },
        },
        Baselines = recipe.Baselines with { Energy = recipe.Baselines.Energy with { WarmUp = 0 } },
    };
}

/// <summary>EnergyOE: cross entropy and squared hinges of the energy (Liu et al., NeurIPS 2020).</summary>
internal sealed class EnergyOutlierExposureMethod() : EnergyMethod(Method.EnergyOutlierExposure, finetuningEpochs: 10)
{
    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new EnergyObjective(recipe.Baselines.Energy, recipe.Representation.Epochs, labelSmoothing: recipe.Loss.LabelSmoothing);
}

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

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--energy-weight", "weight of the energy hinges", energy => energy.Weight, (energy, value) => energy with { Weight = value },
            "The weight of the energy hinges", OptionRanges.Weight),
        Part.Option(
            "--energy-margin", "m_in, energy that training images shall be below",
            energy => energy.InDistributionMargin, (energy, value) => energy with { InDistributionMargin = value },
            "The energy margin of the training images", OptionRanges.Finite),
        Part.Option(
            "--energy-outlier-margin", "m_out, energy that outliers shall be above",
            energy => energy.OutlierMargin, (energy, value) => energy with { OutlierMargin = value }, "The energy margin of the outliers", OptionRanges.Finite),
        Part.Option(
            "--energy-warm-up", "share of the first phase over which the weight rises",
            energy => energy.WarmUp, (energy, value) => energy with { WarmUp = value },
            "The warm-up of the energy hinges", new OptionRange<double>(value => value is >= 0 and <= 1, "a share of the first phase, from 0 to 1")),
    ];

    private static RecipePart<EnergyRecipe> Part => RecipeParts.Baselines.Part(all => all.Energy, (all, value) => all with { Energy = value });
}

/// <summary>
/// L = L_in + w ( mean_ID relu(E - m_in)^2 + hinge of the outliers ), by torch's operations on every device. The outliers' hinge is mean relu(m_out - E)^2 for
/// EnergyOE and <see cref="BalancedOutlierHinge"/> for BERL; w rises to its value over the first steps.
/// </summary>
internal sealed class EnergyObjective : Objective
{
    private readonly EnergyRecipe settings;
    private readonly double labelSmoothing;
    private readonly double warmUpEpochs;
    private readonly BalancedOutlierHinge? balanced;

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">Weight and margins.</param>
    /// <param name="epochs">Epochs of the phase.</param>
    /// <param name="balanced">The outliers' hinge of BERL, disposed with the objective; null for that of EnergyOE.</param>
    /// <param name="labelSmoothing">The share of a label that is spread evenly over all classes in the cross entropy.</param>
    public EnergyObjective(EnergyRecipe settings, int epochs, BalancedOutlierHinge? balanced = null, double labelSmoothing = 0)
    {
        (this.settings, this.labelSmoothing, this.balanced) = (settings, labelSmoothing, balanced);
        warmUpEpochs = settings.WarmUp * epochs;
    }

    public override IReadOnlyList<string> TermNames { get; } =
        ["total", "in-distribution", "outlier-hinge", "in-distribution-hinge", "in-distribution-active", "outlier-active"];

    public override OutputParts Reads => OutputParts.Logits;

    /// <summary>w in the step of a batch.</summary>
    public double Weight(BatchPosition position) =>
        warmUpEpochs > 0 ? settings.Weight * Math.Min(1, position.EpochsAfter / warmUpEpochs) : settings.Weight;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        var inDistribution = output.Logits.narrow(0, 0, labels.shape[0]);
        var outliers = output.Logits.narrow(0, labels.shape[0], batch.OutlierCount);
        var crossEntropy = functional.cross_entropy(inDistribution, labels, label_smoothing: labelSmoothing);
        var (inside, insideActive) = EnergyHinge.InDistribution(inDistribution, settings.InDistributionMargin);
        var (outside, outsideActive) = balanced?.Terms(outliers) ?? EnergyHinge.Outliers(outliers, settings.OutlierMargin);
        return new LossTerms(
            crossEntropy + (Weight(batch.Position) * (inside + outside)), crossEntropy, outside, [inside, insideActive, outsideActive]);
    }

    public override void Dispose()
    {
        balanced?.Dispose();
        base.Dispose();
    }
}

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
