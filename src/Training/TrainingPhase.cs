using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training;

/// <summary>What differs between the two phases, as data; the loop that runs them is <see cref="Trainer"/> and is the same for both.</summary>
public sealed class TrainingPhase
{
    /// <summary>Name of the first phase.</summary>
    public const string RepresentationName = "representation";

    /// <summary>Name of the second phase.</summary>
    public const string AuxiliaryBranchName = "auxiliary-branch";

    /// <summary>Name in logs and checkpoints.</summary>
    public required string Name { get; init; }

    /// <summary>Epochs, batch size, optimiser and schedule.</summary>
    public required PhaseRecipe Settings { get; init; }

    /// <summary>The branch of BatchNorm and classifier that the batch runs through.</summary>
    public required Branch Branch { get; init; }

    /// <summary>How the steps' batches are made.</summary>
    public required BatchPlan Batches { get; init; }

    /// <summary>Done once before the first step of the phase; not repeated when a run is resumed inside it.</summary>
    public required Action<DualBranchResNet> Enter { get; init; }

    /// <summary>The parameters that are trained; all others are frozen.</summary>
    public required TrainableParameters Trained { get; init; }

    /// <summary>How many of the terms of <see cref="LossTerms.Names"/> the objective has.</summary>
    public required int TermCount { get; init; }

    /// <summary>Cross entropy and outlier exposure, from the logits of the batch's rows and the labels of its in-distribution rows.</summary>
    public required Module<Tensor, Tensor, LossTerms> LossOfLogits { get; init; }

    /// <summary>The contrastive loss, from the projection of the batch's rows and the labels of its images; null where the method has none.</summary>
    public PasclLoss? Contrast { get; init; }

    /// <summary>Weight of <see cref="Contrast"/>.</summary>
    public double ContrastWeight { get; init; }

    /// <summary>
    /// The first phase: L = L_in + lambda1 L_out + lambda2 L_con over one joint batch [view 1; view 2; outliers] through the main branch.
    /// Cross entropy has neither outliers nor the contrastive term, outlier exposure not the latter.
    /// </summary>
    public static TrainingPhase Representation(Recipe recipe, TrainingData data, ComputeDevice device)
    {
        var weights = recipe.Loss;
        var contrast = recipe.Method == Method.Pascl
            ? new PasclLoss(recipe.Tail(data.Training.CountPerClass()).Flags, weights.Temperature, device: device.Kernels).to(device.Torch)
            : null;
        return new TrainingPhase
        {
            Name = RepresentationName,
            Settings = recipe.Representation,
            Branch = Branch.Main,
            Batches = new BatchPlan
            {
                BatchSize = recipe.Representation.BatchSize,
                OutlierBatchSize = recipe.UsesOutliers ? recipe.OutlierBatchSize : 0,
                Views = 2,
                Seed = Seed(recipe, phase: 0),
            },
            Enter = _ => { },
            Trained = TrainableParameters.MainBranch,
            TermCount = recipe.Method switch { Method.CrossEntropy => 2, Method.OutlierExposure => 3, _ => 4 },
            LossOfLogits = LossOfLogitsOn(device, weights.OutlierWeight),
            Contrast = contrast,
            ContrastWeight = weights.ContrastiveWeight,
        };
    }

    /// <summary>
    /// The second phase, auxiliary branch finetuning: cross entropy of z + tau log prior over one view of the in-distribution images; the convolutions and the
    /// main branch stay as they are.
    /// </summary>
    public static TrainingPhase AuxiliaryBranch(Recipe recipe, TrainingData data, ComputeDevice device)
    {
        return new TrainingPhase
        {
            Name = AuxiliaryBranchName,
            Settings = recipe.AuxiliaryBranch,
            Branch = Branch.Auxiliary,
            Batches = new BatchPlan { BatchSize = recipe.AuxiliaryBranch.BatchSize, Views = 1, Seed = Seed(recipe, phase: 1) },

            // With the main branch's running statistics: in-distribution statistics, tracked in the first phase, are no better a start (RESULTS.md).
            Enter = model => model.CopyMainToAuxiliary(),
            Trained = recipe.Finetuned,
            TermCount = 1,
            LossOfLogits = LossOfLogitsOn(device, adjustment: LogitAdjustment.Of(data.Training.CountPerClass(), recipe.Loss.LogitAdjustment)),
        };
    }

    /// <summary>The loss of a step from what the network made of its batch.</summary>
    public LossTerms Objective(BranchOutput output, Batch batch) => Objective(output, batch, null);

    /// <summary>The loss of a step; <paramref name="clock"/> is told which part of it begins.</summary>
    internal LossTerms Objective(BranchOutput output, Batch batch, StepClock? clock)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        var terms = LossOfLogits.forward(output.Logits, labels);
        if (Contrast is null)
        {
            return terms;
        }

        clock?.Begin(StepPart.ContrastiveLoss);
        var contrastive = Contrast.forward(output.Projection, batch.Labels);
        return terms with { Total = terms.Total + (ContrastWeight * contrastive), Contrastive = contrastive };
    }

    /// <summary>The objective's terms with their names.</summary>
    internal Dictionary<string, double> Named(IReadOnlyList<double> terms) =>
        LossTerms.Names.Take(TermCount).Zip(terms).ToDictionary(pair => pair.First, pair => pair.Second);

    private static Module<Tensor, Tensor, LossTerms> LossOfLogitsOn(ComputeDevice device, double outlierWeight = 0, double[]? adjustment = null)
    {
        Module<Tensor, Tensor, LossTerms> objective = device.Kernels is { } kernels
            ? new ObjectiveKernelLoss(kernels, outlierWeight, adjustment)
            : new ObjectiveTorchLoss(outlierWeight, adjustment);
        return objective.to(device.Torch);
    }

    // The phases draw their order and augmentation from streams of their own.
    private static ulong Seed(Recipe recipe, uint phase) => ((ulong)phase << 32) | (uint)recipe.Seed;
}
