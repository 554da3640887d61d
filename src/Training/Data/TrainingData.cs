namespace Pascl.Training.Data;

/// <summary>All images of a run, split once: what trains, what selects, what tests.</summary>
/// <param name="Training">The long-tailed training images.</param>
/// <param name="Validation">Training images held out for model selection, or null.</param>
/// <param name="Test">In-distribution test images; never used to select anything.</param>
/// <param name="Outliers">Auxiliary outliers, or null where the method uses none.</param>
/// <param name="OutOfDistribution">The test sets that no phase sees.</param>
/// <param name="Skipped">Broken images that were left out, each with the reason.</param>
public sealed record TrainingData(
    ImageSet Training, ImageSet? Validation, ImageSet Test, ImageSet? Outliers, IReadOnlyList<ImageSet> OutOfDistribution, IReadOnlyList<string> Skipped);
