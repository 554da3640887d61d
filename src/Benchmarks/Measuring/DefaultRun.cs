namespace Pascl.Benchmarks.Measuring;

/// <summary>What runs when nothing is asked for.</summary>
internal static class DefaultRun
{
    /// <summary>
    /// The contrastive loss at the sizes of the papers, the other losses at the smallest of them, the smallest BatchNorm, reading and augmenting images: about two
    /// minutes on two CPU cores.
    /// </summary>
    public static IReadOnlyList<string> Filters { get; } =
        ["*ContrastiveLossBenchmarks*-lt)*", "*cifar10-lt)*", "*resnet18-stage4*", "*DataLoadingBenchmarks*", "*AugmentationBenchmarks*"];
}
