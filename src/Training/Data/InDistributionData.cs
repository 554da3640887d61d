namespace Pascl.Training.Data;

/// <summary>The images of the classes to be recognised.</summary>
/// <param name="Training">Training images; every class has at least one.</param>
/// <param name="Test">Test images of the same classes, or null where the data set has no test part.</param>
/// <param name="Skipped">One sentence for each broken image that was left out.</param>
public sealed record InDistributionData(ImageSet Training, ImageSet? Test, IReadOnlyList<string> Skipped);
