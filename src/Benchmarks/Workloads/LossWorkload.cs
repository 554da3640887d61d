namespace Pascl.Benchmarks.Workloads;

/// <summary>The batch that a loss of the first phase sees: [view 1 of N images; view 2; K outliers], of which T images are of a tail class.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Source">Where its numbers come from.</param>
/// <param name="Images">N.</param>
/// <param name="TailImages">T; M = 2T rows are anchors of the contrastive loss.</param>
/// <param name="Outliers">K.</param>
/// <param name="Classes">C, of which <paramref name="TailClasses"/> are the tail.</param>
/// <param name="TailClasses">The last classes.</param>
/// <param name="Width">d, columns of a feature.</param>
/// <param name="Temperature">Divides the similarities.</param>
public sealed record LossWorkload(
    string Name, string Source, int Images, int TailImages, int Outliers, int Classes, int TailClasses, int Width = 128, double Temperature = 0.07)
{
    /// <summary>
    /// CIFAR10-LT: batch 256 and 256 outliers (Wang et al., ICML 2022). At ratio 100 the four tail classes have 504 of 12,406 images, 10 of a batch.
    /// </summary>
    public static LossWorkload Cifar10 { get; } = new("cifar10-lt", "CIFAR10-LT, ratio 100", 256, 10, 256, 10, 4);

    /// <summary>CIFAR100-LT, the same: the forty tail classes have 541 of 10,847 images, 13 of a batch.</summary>
    public static LossWorkload Cifar100 { get; } = new("cifar100-lt", "CIFAR100-LT, ratio 100", 256, 13, 256, 100, 40);

    /// <summary>
    /// ImageNet-LT (Liu et al., CVPR 2019): 115,846 images, at most 1280 and at least 5 of a class. The 400 rarest classes are the 136 few-shot ones and the
    /// smallest medium-shot ones; that they hold about one image in fourteen, 19 of a batch, is an estimate from those numbers.
    /// </summary>
    public static LossWorkload ImageNet { get; } = new("imagenet-lt", "ImageNet-LT, T estimated", 256, 19, 256, 1000, 400);

    /// <summary>4096 anchors and 4096 outliers: a large loss on one GPU.</summary>
    public static LossWorkload Large4K { get; } = new("large-4k", "scale: M = K = 4096", 2048, 2048, 4096, 100, 40);

    /// <summary>32,768 anchors and as many outliers: one matrix of their similarities is 8.6 GB.</summary>
    public static LossWorkload Large32K { get; } = new("large-32k", "scale: M = K = 32,768", 16384, 16384, 32768, 100, 40);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<LossWorkload> All { get; } = [Cifar10, Cifar100, ImageNet, Large4K, Large32K];

    /// <summary>M.</summary>
    public int Anchors => 2 * TailImages;

    /// <summary>M + K, the rows that anchors are compared with.</summary>
    public int Contrasts => Anchors + Outliers;

    /// <summary>2N + K.</summary>
    public int Rows => (2 * Images) + Outliers;

    /// <summary>(C): whether a class is of the tail.</summary>
    public bool[] IsTailClass => [.. Enumerable.Range(0, Classes).Select(label => label >= Classes - TailClasses)];

    /// <summary>(N): T images of tail classes spread over the batch, each class in turn, and the others of head classes.</summary>
    public long[] Labels()
    {
        var (labels, tail, head) = (new long[Images], 0, 0);
        for (var image = 0; image < Images; image++)
        {
            var isTail = (long)(image + 1) * TailImages / Images > (long)image * TailImages / Images;
            labels[image] = isTail ? Classes - TailClasses + (tail++ % TailClasses) : head++ % (Classes - TailClasses);
        }

        return labels;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
