namespace Pascl.Training.Evaluation;

/// <summary>Calibration of the class probabilities on all test images, and on those of the classes of each shot group.</summary>
/// <param name="Overall">All test images.</param>
/// <param name="Many">Test images of the many-shot classes, pooled.</param>
/// <param name="Medium">Test images of the medium-shot classes, pooled.</param>
/// <param name="Few">Test images of the few-shot classes, pooled.</param>
public sealed record ReliabilityByGroup(Reliability Overall, Reliability Many, Reliability Medium, Reliability Few);
