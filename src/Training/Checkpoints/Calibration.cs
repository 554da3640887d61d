namespace Pascl.Training.Checkpoints;

/// <summary>
/// Where a deployed model draws the line: an image whose out-of-distribution score is at most the threshold is accepted, any other is rejected. Chosen on
/// in-distribution images that the model was not trained on.
/// </summary>
/// <param name="Score">Name of the score, for example <c>msp</c>.</param>
/// <param name="TruePositiveRate">The share of in-distribution images that was asked to be accepted.</param>
/// <param name="Threshold">The highest score that is accepted.</param>
/// <param name="Images">In-distribution images by which the threshold was chosen.</param>
public sealed record Calibration(string Score, double TruePositiveRate, double Threshold, int Images);
