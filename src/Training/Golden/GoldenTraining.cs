using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>The training that <c>model.json</c> has the first steps of: recipe, training images per class, and batches.</summary>
internal static class GoldenTraining
{
    private const uint ImageSeed = 6000;
    private const int Images = 16;
    private const int Size = 32;
    private const int FirstPhaseOutliers = 4;

    // CIFAR10-LT.
    private static readonly int[] TrainingCounts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50];
    private static readonly int[] FirstPhaseLabels = [0, 3, 6, 6, 8, 9];
    private static readonly int[] SecondPhaseLabels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 1, 1, 2, 3];

    /// <summary>As many training images of each class as CIFAR10-LT has; the batches' pixels are a formula's.</summary>
    public static TrainingData Data { get; } = TrainingData.OfCounts(TrainingCounts, FirstPhaseOutliers);

    /// <summary>
    /// Weights that repeat the float32 rounding of 1/|P| in the authors' code, 2^-25 of the contrastive loss: class 6 has two images, so each of its rows has
    /// three positives.
    /// </summary>
    public static IReadOnlyList<double> ClassWeights { get; } = [.. TrainingCounts.Index().Select(count => count.Index == 6 ? 3 * (double)(1f / 3) : 1)];

    /// <summary>The defaults of the authors' code with the batch sizes of the golden steps, by torch on the CPU.</summary>
    /// <param name="precision">Of the convolutions.</param>
    public static Recipe Recipe(Precision precision)
    {
        var recipe = Presets.Find("cifar10-lt-code").Recipe;
        return recipe with
        {
            Precision = precision,
            Device = "cpu",
            Backend = Backend.Torch,
            OutlierBatchSize = FirstPhaseOutliers,
            Representation = recipe.Representation with { BatchSize = FirstPhaseLabels.Length },
            AuxiliaryBranch = recipe.AuxiliaryBranch with { BatchSize = SecondPhaseLabels.Length },
        };
    }

    /// <summary>The first phase's batch as the loader makes it: six images, their mirror images as second views, and four outliers.</summary>
    public static Batch FirstPhaseBatch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var pixels = Pixels(type);
        var (firstViews, outliers) = (pixels[..FirstPhaseLabels.Length], pixels.narrow(0, FirstPhaseLabels.Length, FirstPhaseOutliers));
        return Batch.FromPixels(cat([firstViews, firstViews.flip(2), outliers]), Data.Training, WithLabels(FirstPhaseLabels), views: 2);
    }

    /// <summary>The second phase's batch as the loader makes it: all sixteen images.</summary>
    public static Batch SecondPhaseBatch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        return Batch.FromPixels(Pixels(type), Data.Training, WithLabels(SecondPhaseLabels), views: 1);
    }

    // (16, 32, 32, 3). The formula numbers the values of (16, 3, 32, 32).
    private static Tensor Pixels(ScalarType type)
    {
        var values = GoldenInputs.Sequence(ImageSeed, Images * PixelBlock.Channels * Size * Size);
        return tensor(Array.ConvertAll(values, value => value + 0.5), type).reshape(Images, PixelBlock.Channels, Size, Size).permute(0, 2, 3, 1).contiguous();
    }

    // For each label an image that has it.
    private static int[] WithLabels(int[] labels) => Array.ConvertAll(labels, label => Data.Training.Labels.IndexOf(label));
}
