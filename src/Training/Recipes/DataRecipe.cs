using Pascl.Training.Data;

namespace Pascl.Training.Recipes;

/// <summary>Which images a run reads and how the long tail is cut from them.</summary>
public sealed record DataRecipe
{
    /// <summary>The in-distribution images, a folder or an archive; null for the built-in synthetic images.</summary>
    public string? InDistribution { get; init; }

    /// <summary>The auxiliary outlier images, a folder, an archive or an .npy file; null where the method uses none.</summary>
    public string? Outliers { get; init; }

    /// <summary>The out-of-distribution test sets by name; an SC-OOD layout gives several from one path.</summary>
    public IReadOnlyList<NamedPath> OutOfDistribution { get; init; } = [];

    /// <summary>Sets of an SC-OOD layout that are left out, because they show the in-distribution classes themselves.</summary>
    public IReadOnlyList<string> ExcludedSets { get; init; } = [];

    /// <summary>Side of the square images in pixels; null takes the images' own size where they agree.</summary>
    public int? ImageSize { get; init; }

    /// <summary>Whether broken images are counted and left out instead of stopping the run.</summary>
    public bool SkipBroken { get; init; }

    /// <summary>The shape of the long tail cut from the training images; null uses them as they are.</summary>
    public LongTailShape? Profile { get; init; }

    /// <summary>Images of the smallest class divided by those of the largest; used with <see cref="Profile"/>.</summary>
    public double ImbalanceRatio { get; init; } = 0.01;

    /// <summary>Share of each class's training images held out for model selection, in [0, 1); 0 selects the last epoch.</summary>
    public double ValidationFraction { get; init; }

    /// <summary>Share of each class held out as the test set where the data has no test part of its own.</summary>
    public double TestFraction { get; init; } = 0.2;

    /// <summary>The first so many outlier images are used; null uses all.</summary>
    public int? MaximumOutliers { get; init; }
}
