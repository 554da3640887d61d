using Pascl.Kernels;

namespace Pascl.Training.Data;

/// <summary>What the batches of training consist of and how they are prepared.</summary>
public sealed record BatchPlan
{
    /// <summary>In-distribution images in a batch, N.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Outlier images in a batch, K; 0 without outliers.</summary>
    public int OutlierBatchSize { get; init; }

    /// <summary>Augmented views of every in-distribution image, 1 or 2. Outliers have one.</summary>
    public int Views { get; init; } = 1;

    /// <summary>How images are changed at random.</summary>
    public AugmentationSettings Augmentation { get; init; } = AugmentationSettings.Cifar;

    /// <summary>Seed of the order of the images and of their augmentation.</summary>
    public ulong Seed { get; init; }

    /// <summary>Background threads that prepare batches. The batches are the same for any number.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Batches prepared ahead of the training step.</summary>
    public int Prefetch { get; init; } = 4;
}
