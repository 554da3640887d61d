namespace Pascl.Training.Evaluation.Scores;

/// <summary>How well a score detects one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">Test images, and images of the set that show one of the classes.</param>
/// <param name="Metrics">The numbers.</param>
public sealed record ScoreSetResult(string Name, int OutOfDistributionImages, int InDistributionImages, OodMetrics Metrics);
