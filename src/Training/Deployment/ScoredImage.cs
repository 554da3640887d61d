namespace Pascl.Training.Deployment;

/// <summary>One image and what became of it: its score, or why there is none.</summary>
/// <param name="Source">Where it is from; null for an image without a name.</param>
/// <param name="Score">What the model says; null where the image could not be read.</param>
/// <param name="Error">What is wrong with the image, a sentence; null where nothing is.</param>
internal sealed record ScoredImage(string? Source, ImageScore? Score, string? Error);
