namespace Pascl.Training.Evaluation;

/// <summary>One operating point: an image is called positive when its score is at least <paramref name="Threshold"/>.</summary>
/// <param name="Threshold">The lowest score that is called positive.</param>
/// <param name="FalsePositives">Negatives with such a score.</param>
/// <param name="TruePositives">Positives with such a score.</param>
public readonly record struct RocPoint(double Threshold, int FalsePositives, int TruePositives);
