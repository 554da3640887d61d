using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>What differs between the two phases, as data; the loop that runs them is <see cref="Trainer"/> and is the same for both.</summary>
public sealed record TrainingPhase
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
    public required Action<DualBranchNetwork> Enter { get; init; }

    /// <summary>Done after its last step, before the checkpoint that it ends with.</summary>
    public Action<DualBranchNetwork> Leave { get; init; } = _ => { };

    /// <summary>The parameters that are trained; all others are frozen.</summary>
    public required TrainableParameters Trained { get; init; }

    /// <summary>What the learning rate is multiplied by for the parameters before the features, and 1 for those behind them.</summary>
    public double BackboneRate { get; init; } = 1;

    /// <summary>D of the average of the weights that the phase ends with; null where it ends with the weights themselves.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>Makes what is minimised, for the network that has entered the phase. The caller disposes it.</summary>
    public required Func<DualBranchNetwork, Objective> NewObjective { get; init; }

    /// <summary>Rows of every batch that a step mixes from the others, where all batches have as many.</summary>
    public int MixedRows { get; init; }

    /// <summary>
    /// What the phase sends through the convolutions. EAT adds rows to a batch, a number that differs from step to step; they are checked without those.
    /// </summary>
    internal ConvolutionUse Convolutions => new(
        Name,
        Batches.RowsOf(ProcessGroup.Current.Share) + ProcessGroup.Current.Share.Of(MixedRows).Count,
        InputGradient: Trained != TrainableParameters.Classifier,
        WeightGradient: Trained == TrainableParameters.All);

    /// <summary>
    /// The first phase: the method's objective over one joint batch, [views of the images; outliers], through the main branch.
    /// </summary>
    public static TrainingPhase Representation(Recipe recipe, TrainingData data, ComputeDevice device)
    {
        var method = MethodDefinition.Find(recipe.Method);
        var augmentation = recipe.Input.Augmentation;
        return new TrainingPhase
        {
            Name = RepresentationName,
            Settings = recipe.Representation,
            Branch = Branch.Main,
            Batches = new BatchPlan
            {
                BatchSize = recipe.Representation.BatchSize,
                OutlierBatchSize = recipe.ReadsOutliers ? recipe.OutlierBatchSize : 0,
                Views = recipe.Views,

                // What is mixed from pixels needs all of them; each rank takes its share afterwards.
                Share = method.ChangesPixels(recipe) ? RankShare.Whole : ProcessGroup.Current.Share,
                Crop = recipe.Input.Crop,
                Augmentation = recipe.ChangesColours ? augmentation : augmentation with { JitterProbability = 0, GreyscaleProbability = 0 },
                Seed = recipe.SeedOf(phase: 0),
                Sampling = recipe.Representation.Sampling,
                Epochs = recipe.Representation.Epochs,
                Workers = recipe.DataThreads ?? BatchPlan.WorkersForCores(Environment.ProcessorCount),
            },
            MixedRows = recipe.VirtualOutliers.Mixes ? recipe.OutlierBatchSize : 0,
            Enter = model =>
            {
                StartingWeights.Load(recipe, model);
                method.Begin(recipe, model, data);
            },
            Leave = model => method.Conclude(recipe, model, data),
            Trained = recipe.Trained,
            BackboneRate = recipe.BackboneRate,
            AverageDecay = recipe.EmaDecay,
            NewObjective = model => method.FirstObjective(recipe, data.Training.CountPerClass(), device, model),
        };
    }

    /// <summary>
    /// The second phase, auxiliary branch finetuning: logit-adjusted cross entropy over one view of the in-distribution images; the convolutions and the main
    /// branch stay as they are.
    /// </summary>
    public static TrainingPhase AuxiliaryBranch(Recipe recipe, TrainingData data, ComputeDevice device) => new()
    {
        Name = AuxiliaryBranchName,
        Settings = recipe.AuxiliaryBranch,
        Branch = Branch.Auxiliary,
        Batches = new BatchPlan
        {
            BatchSize = recipe.AuxiliaryBranch.BatchSize,
            Views = 1,
            Share = ProcessGroup.Current.Share,
            Crop = recipe.Input.Crop,
            Augmentation = recipe.Input.Augmentation,
            Seed = recipe.SeedOf(phase: 1),
            Sampling = recipe.AuxiliaryBranch.Sampling,
            Epochs = recipe.AuxiliaryBranch.Epochs,
            Workers = recipe.DataThreads ?? BatchPlan.WorkersForCores(Environment.ProcessorCount),
        },

        // With the main branch's running statistics: in-distribution statistics, tracked in the first phase, are no better a start (RESULTS.md).
        Enter = model => model.CopyMainToAuxiliary(),
        Trained = recipe.Finetuned,
        AverageDecay = recipe.EmaDecay,
        NewObjective = _ => MethodDefinition.Find(recipe.Method).SecondObjective(recipe, data.Training.CountPerClass(), device),
    };
}
