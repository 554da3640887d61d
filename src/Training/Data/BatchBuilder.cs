using System.Runtime.InteropServices;
using Pascl.Kernels;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>Builds any batch of one epoch; safe to call from several threads at once.</summary>
internal sealed class BatchBuilder(ImageSet training, ImageSet? outliers, BatchPlan plan, int epoch)
{
    private readonly int[] trainingOrder = EpochOrder.Permutation(training.Count, plan.Seed, epoch, RandomStream.TrainingOrder);
    private readonly int[] outlierOrder = EpochOrder.Permutation(outliers?.Count ?? 0, plan.Seed, epoch, RandomStream.OutlierOrder);

    /// <summary>
    /// Builds the batch at position <paramref name="step"/> of the epoch, rows [view 1; view 2; outliers]; its tensors belong to no dispose
    /// scope.
    /// </summary>
    public Batch Build(int step)
    {
        var chosen = trainingOrder.AsSpan(step * plan.BatchSize, plan.BatchSize);
        var rows = (plan.Views * plan.BatchSize) + plan.OutlierBatchSize;
        using var pixels = torch.empty(rows, training.Height, training.Width, PixelBlock.Channels); // (Views * N + K, H, W, 3)
        var remaining = MemoryMarshal.Cast<byte, float>(pixels.bytes);
        for (var view = 0; view < plan.Views; view++)
        {
            remaining = Augment(training, chosen, RandomStream.FirstView + view, remaining);
        }

        if (outliers is not null)
        {
            Augment(outliers, outlierOrder.AsSpan(step * plan.OutlierBatchSize, plan.OutlierBatchSize), RandomStream.Outlier, remaining);
        }

        return Batch.FromPixels(pixels, training, chosen, plan.Views);
    }

    private Span<float> Augment(ImageSet images, ReadOnlySpan<int> chosen, int stream, Span<float> destination)
    {
        var (height, width) = (images.Height, images.Width);
        var scratch = new byte[height * width * PixelBlock.Channels];
        foreach (var image in chosen)
        {
            var parameters = AugmentationParameters.Draw(plan.Augmentation, height, width, plan.Seed, epoch, image, stream);
            Augmentation.Apply(images.Pixels(image), height, width, parameters, destination[..scratch.Length], scratch);
            destination = destination[scratch.Length..];
        }

        return destination;
    }
}
