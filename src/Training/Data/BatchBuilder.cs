using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>Builds any batch of one epoch; safe to call from several threads at once.</summary>
internal sealed class BatchBuilder(ImageSet training, AugmentedViews trainingViews, AugmentedViews? outlierViews, int outlierCount, BatchPlan plan, BatchPosition first)
{
    private readonly int[] trainingOrder = EpochOrder.Permutation(training.Count, plan.Seed, first.Epoch, RandomStream.TrainingOrder);
    private readonly int[] outlierOrder = EpochOrder.Permutation(outlierCount, plan.Seed, first.Epoch, RandomStream.OutlierOrder);

    /// <summary>
    /// Builds the batch at position <paramref name="step"/> of the epoch, rows [view 1; view 2; outliers]; its tensors belong to no dispose
    /// scope.
    /// </summary>
    public Batch Build(int step)
    {
        using var scope = torch.NewDisposeScope();
        var chosen = trainingOrder.AsSpan(step * plan.BatchSize, plan.BatchSize);
        var rows = (plan.Views * plan.BatchSize) + plan.OutlierBatchSize;
        var pixels = torch.empty(rows, training.Height, training.Width, PixelBlock.Channels, device: trainingViews.Device); // (Views * N + K, H, W, 3)
        for (var view = 0; view < plan.Views; view++)
        {
            trainingViews.Make(chosen, first.Epoch, RandomStream.FirstView + view, pixels.narrow(0, view * plan.BatchSize, plan.BatchSize));
        }

        if (outlierViews is not null)
        {
            var outliers = outlierOrder.AsSpan(step * plan.OutlierBatchSize, plan.OutlierBatchSize);
            outlierViews.Make(outliers, first.Epoch, RandomStream.Outlier, pixels.narrow(0, plan.Views * plan.BatchSize, plan.OutlierBatchSize));
        }

        return Batch.FromPixels(pixels, training, chosen, plan.Views) with { Position = first with { Step = step } };
    }
}
