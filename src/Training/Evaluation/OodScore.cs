namespace Pascl.Training.Evaluation;

/// <summary>An out-of-distribution score of one image from its logits: higher = more out-of-distribution.</summary>
public delegate double OodScore(ReadOnlySpan<float> logits);
