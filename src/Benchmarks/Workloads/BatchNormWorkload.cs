namespace Pascl.Benchmarks.Workloads;

/// <summary>
/// A batch as a BatchNorm layer sees it, float32 NCHW, two thirds of it in-distribution images as in the first phase (two views, one outlier each).
/// </summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Source">The layer.</param>
/// <param name="Images">B.</param>
/// <param name="Channels">C.</param>
/// <param name="Size">Height and width.</param>
public sealed record BatchNormWorkload(string Name, string Source, int Images, int Channels, int Size)
{
    /// <summary>
    /// The four stages of ResNet18 at batch 256 + 256 + 256 on CIFAR, and the first of ResNet50 on 224 x 224 images at a batch of 256 rows.
    /// </summary>
    public static IReadOnlyList<BatchNormWorkload> All { get; } =
    [
        new("resnet18-stage4", "ResNet18 on CIFAR, last stage", 768, 512, 4),
        new("resnet18-stage3", "ResNet18 on CIFAR, third stage", 768, 256, 8),
        new("resnet18-stage2", "ResNet18 on CIFAR, second stage", 768, 128, 16),
        new("resnet18-stage1", "ResNet18 on CIFAR, first stage", 768, 64, 32),
        new("resnet50-stage1", "ResNet50 on ImageNet, first stage", 256, 64, 56),
    ];

    /// <summary>Images whose statistics the auxiliary branch has.</summary>
    public int InDistributionImages => Images * 2 / 3;

    /// <summary>Elements.</summary>
    public long Length => (long)Images * Channels * Size * Size;

    /// <inheritdoc/>
    public override string ToString() => Name;
}
