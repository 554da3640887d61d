using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The run in a folder, ready to be evaluated: its images but the outliers, and the model of its last checkpoint.</summary>
internal sealed class TrainedRun : IDisposable
{
    private readonly ComputeDevice device;

    /// <summary>Reads a run.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="sets">The out-of-distribution sets; the run's own where there are none.</param>
    /// <param name="checksConvolutions">Whether the convolutions of an evaluation are checked first.</param>
    /// <param name="needsImageGradients">Whether gradients of the images will be needed.</param>
    /// <exception cref="InputException">The checkpoint or the images cannot be used, or the network cannot be computed on this machine.</exception>
    public TrainedRun(RunFolder folder, IReadOnlyList<NamedPath> sets, bool checksConvolutions, bool needsImageGradients = false)
    {
        Folder = folder;
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        Info = checkpoint.Info;
        var trained = RecipeFile.Parse(Info.Recipe, folder.Checkpoint);
        Recipe = trained with { Data = trained.Data with { OutOfDistribution = sets.Count > 0 ? sets : trained.Data.OutOfDistribution } };
        Data = TrainingDataReader.Read(Recipe, withOutliers: false);
        device = ComputeDevice.Open("auto", Backend.Torch);
        Model = Trainer.CreateModel(Recipe, Info.ClassNames.Count, device);
        checkpoint.LoadInto(Model);
        if (checksConvolutions)
        {
            ImageSet[] evaluated = [Data.Test, .. Data.OutOfDistribution, .. Data.Validation is { } held ? [held] : Array.Empty<ImageSet>()];
            ConvolutionOption.Warn(ConvolutionCheck.Run(
                Model, Data.Test.Height, Data.Test.Width, [.. ConvolutionUse.Evaluation(evaluated, Predictions.UsualBatchSize, needsImageGradients)]));
        }
    }

    /// <summary>Where the run is.</summary>
    public RunFolder Folder { get; }

    /// <summary>What its checkpoint says beside the weights.</summary>
    public CheckpointInfo Info { get; }

    /// <summary>What was trained.</summary>
    public Recipe Recipe { get; }

    /// <summary>The images; no outliers.</summary>
    public TrainingData Data { get; }

    /// <summary>The trained model.</summary>
    public DualBranchNetwork Model { get; }

    /// <summary>Refuses training and validation images that are not those of the training.</summary>
    /// <exception cref="InputException">The images have changed since.</exception>
    public void RequireItsTrainingImages() => Trainer.RequireItsTrainingImages(Info, Data, Folder.Root);

    /// <summary>Frees the model and the device.</summary>
    public void Dispose()
    {
        Model.Dispose();
        device.Dispose();
    }
}
