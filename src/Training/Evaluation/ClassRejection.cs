namespace Pascl.Training.Evaluation;

/// <summary>How often a class is taken for out-of-distribution.</summary>
/// <param name="Label">Label of the class.</param>
/// <param name="Name">Name of the class.</param>
/// <param name="TrainingImages">Training images of the class.</param>
/// <param name="Rejection">
/// Share of the class's test images that are rejected at the threshold of 95 % true-positive rate, mean over the out-of-distribution sets.
/// </param>
public sealed record ClassRejection(int Label, string Name, int TrainingImages, double Rejection);
