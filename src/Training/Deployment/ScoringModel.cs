using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using TorchSharp;

namespace Pascl.Training.Deployment;

/// <summary>
/// A trained run, ready to say of any image what it shows and how far out of distribution it is: in the precision of its training, like an evaluation, with the
/// class of the auxiliary branch and the score that its threshold was chosen for. Several threads may use it.
/// </summary>
internal sealed class ScoringModel : IDisposable
{
    private readonly ComputeDevice device;
    private readonly DualBranchResNet network;
    private readonly IReadOnlyList<string> classNames;
    private readonly AcceptanceScore score;

    private ScoringModel(string path, CheckpointInfo info, Recipe recipe)
    {
        (Path, classNames, Threshold) = (path, info.ClassNames, info.Calibration?.Threshold);
        score = AcceptanceScore.Of(info.Calibration?.Score, info, recipe);

        // An earlier version did not note the size of the images; then they are asked for it.
        ImageSize = info.ImageSize ?? recipe.Data.ImageSize
            ?? TrainingDataReader.Read(recipe, withOutliers: false, withOutOfDistribution: false).Training.Height;
        device = ComputeDevice.Open("auto", Backend.Torch);
        network = Trainer.CreateModel(recipe, info.ClassNames.Count, device);
    }

    /// <summary>The run folder.</summary>
    public string Path { get; }

    /// <summary>Rows and columns of the images that it takes.</summary>
    public int ImageSize { get; }

    /// <summary>The score, as <c>calibrate --score</c> takes it; the method's own where there is no threshold.</summary>
    public string ScoreName => score.Name;

    /// <summary>The highest score that is accepted; null where none was chosen.</summary>
    public double? Threshold { get; }

    /// <summary>Reads the last checkpoint of a run.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="workers">
    /// Threads that will score batches at one time; the cores are divided among them. Small images are scored fastest with one for each core, because the threads of
    /// one batch wait for each other after every operation.
    /// </param>
    /// <exception cref="InputException">There is no run, or it cannot be used.</exception>
    public static ScoringModel Open(string path, int workers)
    {
        var folder = RunFolder.Open(path);
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        var model = new ScoringModel(folder.Root, checkpoint.Info, RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint));
        try
        {
            checkpoint.LoadInto(model.network);
            model.network.eval();
            torch.set_num_threads(Math.Clamp(Environment.ProcessorCount / workers, 1, torch.get_num_threads()));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Compares the network's convolutions on this machine with double precision: of one image, of two, and of a full batch.</summary>
    /// <param name="largestBatch">Images of a full batch.</param>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public ConvolutionReport CheckConvolutions(int largestBatch) => ConvolutionCheck.Run(
        network,
        ImageSize,
        ImageSize,
        [.. new[] { 1, 2, largestBatch }.Where(images => images <= largestBatch).Distinct().Select(images => new ConvolutionUse("scores", images))]);

    /// <summary>Says so where the model cannot accept or reject images, and what to do.</summary>
    public void WarnWithoutThreshold(TextWriter error)
    {
        if (Threshold is null)
        {
            error.WriteLine($"The run in {Path} has no threshold, so no image is accepted or rejected. Choose one with: calibrate {Path}");
        }
    }

    /// <summary>
    /// Scores images in one batch. What is beside an image changes its numbers in the last digits of the network's precision at most: libtorch adds in an order that
    /// may depend on the size of the batch and on the processor.
    /// </summary>
    /// <param name="images">Any number of images of <see cref="ImageSize"/>.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public ImageScore[] Score(ImageSet images)
    {
        if (images.Count == 0)
        {
            return [];
        }

        var predictions = Predictions.Of(network, images, images.Count);
        EvaluationInputs.Check(images, predictions);
        var scores = score.Of(predictions);
        var classes = predictions.Auxiliary.Classes();
        return [.. classes.Select((label, i) => new ImageScore(
            classNames[label], Softmax.Of(predictions.Auxiliary[i])[label], scores[i], Threshold is { } threshold ? scores[i] <= threshold : null))];
    }

    /// <summary>Frees the network and the device.</summary>
    public void Dispose()
    {
        network.Dispose();
        device.Dispose();
    }
}
