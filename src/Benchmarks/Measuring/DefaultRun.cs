namespace Pascl.Benchmarks.Measuring;

/// <summary>What runs when nothing is asked for.</summary>
internal static class DefaultRun
{
    /// <summary>The paper's own sizes of the losses, the smallest BatchNorm, reading and augmenting images: about two minutes on two CPU cores.</summary>
    public static IReadOnlyList<string> Filters { get; } =
        ["*-lt)*", "*resnet18-stage4*", "*DataLoadingBenchmarks*", "*AugmentationBenchmarks*"];
}
