namespace Pascl.Training.Deployment.Onnx;

/// <summary>What an exported model says about N images with C classes.</summary>
/// <param name="Logits">(N, C), row-major.</param>
/// <param name="Probabilities">(N, C), row-major.</param>
/// <param name="Scores">(N): the out-of-distribution scores.</param>
/// <param name="Accepted">(N): the decisions; null where the model has no threshold.</param>
internal sealed record OnnxOutputs(float[] Logits, float[] Probabilities, float[] Scores, bool[]? Accepted);
