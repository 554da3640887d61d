namespace Pascl.Training.Deployment;

/// <summary>What a deployed model says about one image.</summary>
/// <param name="Class">Name of the most probable class, by the auxiliary branch.</param>
/// <param name="Probability">Softmax probability of that class.</param>
/// <param name="Score">The out-of-distribution score: higher = more out-of-distribution.</param>
/// <param name="Accepted">Whether the score is at most the threshold; null for a model without one.</param>
internal sealed record ImageScore(string Class, double Probability, double Score, bool? Accepted);
