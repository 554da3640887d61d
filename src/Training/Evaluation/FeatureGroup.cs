namespace Pascl.Training.Evaluation;

/// <summary>Images of one kind in a <see cref="FeatureMap"/>.</summary>
/// <param name="Name"><c>head</c>, <c>tail</c>, or the name of the out-of-distribution set.</param>
/// <param name="Group">The kind.</param>
/// <param name="X">Place of each image along the direction of most spread.</param>
/// <param name="Y">Place of each image along the second direction.</param>
public sealed record FeatureGroup(string Name, ImageGroup Group, double[] X, double[] Y);
