using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Training;

/// <summary>What differs between the two phases, as data; the loop that runs them is <see cref="Trainer"/> and is the same for both.</summary>
public sealed class TrainingPhase
{
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

    /// <summary>The loss of a step from what the network made of its batch.</summary>
    public required Func<BranchOutput, Batch, LossTerms> Objective { get; init; }

    /// <summary>
    /// The first phase: L = L_in + lambda1 L_out + lambda2 L_con over one joint batch [view 1; view 2; outliers] through the main branch.
    /// Cross entropy has neither outliers nor the contrastive term, outlier exposure not the latter.
    /// </summary>
    public static TrainingPhase Representation(Recipe recipe, TrainingData data, ComputeDevice device)
    {
        var weights = recipe.Loss;
        var exposure = new OutlierExposureLoss();
        var contrast = recipe.Method == Method.Pascl
            ? new PasclLoss(recipe.Tail(data.Training.CountPerClass()).Flags, weights.Temperature).to(device.Torch)
            : null;
        return new TrainingPhase
        {
            Name = "representation",
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
            Objective = (output, batch) =>
            {
                var classified = batch.Views * batch.ClassifiedCount;
                using var labels = batch.Labels.repeat(batch.Views); // (2N)
                var inDistribution = torch.nn.functional.cross_entropy(output.Logits.narrow(0, 0, classified), labels);
                var total = inDistribution;
                torch.Tensor? outliers = null, contrastive = null;
                if (recipe.UsesOutliers)
                {
                    outliers = exposure.forward(output.Logits.narrow(0, classified, batch.OutlierCount));
                    total = total + (weights.OutlierWeight * outliers);
                }

                if (contrast is not null)
                {
                    contrastive = contrast.forward(output.Projection, batch.Labels);
                    total = total + (weights.ContrastiveWeight * contrastive);
                }

                return new LossTerms(total, inDistribution, outliers, contrastive);
            },
        };
    }

    /// <summary>
    /// The second phase, auxiliary branch finetuning: cross entropy of z + tau log prior over one view of the in-distribution images; the convolutions and the
    /// main branch stay as they are.
    /// </summary>
    public static TrainingPhase AuxiliaryBranch(Recipe recipe, TrainingData data, ComputeDevice device)
    {
        var adjustment = new LogitAdjustment(data.Training.CountPerClass(), recipe.Loss.LogitAdjustment).to(device.Torch);
        return new TrainingPhase
        {
            Name = "auxiliary-branch",
            Settings = recipe.AuxiliaryBranch,
            Branch = Branch.Auxiliary,
            Batches = new BatchPlan { BatchSize = recipe.AuxiliaryBranch.BatchSize, Views = 1, Seed = Seed(recipe, phase: 1) },
            Enter = model => model.CopyMainToAuxiliary(),
            Trained = recipe.Finetuned,
            TermCount = 1,
            Objective = (output, batch) =>
            {
                var loss = adjustment.forward(output.Logits, batch.Labels);
                return new LossTerms(loss, loss);
            },
        };
    }

    /// <summary>The objective's terms with their names.</summary>
    internal Dictionary<string, double> Named(IReadOnlyList<double> terms) =>
        LossTerms.Names.Take(TermCount).Zip(terms).ToDictionary(pair => pair.First, pair => pair.Second);

    // The phases draw their order and augmentation from streams of their own.
    private static ulong Seed(Recipe recipe, uint phase) => ((ulong)phase << 32) | (uint)recipe.Seed;
}
