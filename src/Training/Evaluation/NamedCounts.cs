namespace Pascl.Training.Evaluation;

/// <summary>Counts of images of one set.</summary>
/// <param name="Name">Name of the set.</param>
/// <param name="Images">Images in each bin.</param>
public sealed record NamedCounts(string Name, int[] Images);
