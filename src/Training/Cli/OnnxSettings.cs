using Pascl.Training.Deployment;

namespace Pascl.Training.Cli;

/// <summary>What a user can choose about an ONNX model.</summary>
/// <param name="Input">Its pixels.</param>
/// <param name="Score">The score; null for the one that the run was calibrated with, or its method's own.</param>
/// <param name="WithoutThreshold">Whether it gives scores only.</param>
/// <param name="Images">Images to verify it on; null for the run's test set.</param>
internal sealed record OnnxSettings(PixelType Input, string? Score, bool WithoutThreshold, string? Images);
