namespace Pascl.Training.Evaluation;

/// <summary>The evaluation of one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">Test images, and images of the set that show one of the classes.</param>
/// <param name="Result">The numbers.</param>
public sealed record OodSetReport(string Name, int OutOfDistributionImages, int InDistributionImages, OodResult Result);
