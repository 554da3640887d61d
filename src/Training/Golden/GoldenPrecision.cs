using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>What a network computes in, and how far its numbers may then be from the golden ones, which are float64.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Convolutions">The network's precision.</param>
/// <param name="Parameters">Type of the parameters, the images, and all that is not a convolution.</param>
/// <param name="EvaluationError">Relative error of outputs in evaluation mode.</param>
/// <param name="LossError">Relative error of each loss of a step.</param>
/// <param name="Steps">How many steps are compared.</param>
internal sealed record GoldenPrecision(
    string Name, Precision Convolutions, ScalarType Parameters, double EvaluationError, double LossError, int Steps)
{
    // A convolution rounds weights and output to 8 significant bits, BatchNorm and the sum with the residual round again: four roundings, of 2^-8 at most, in
    // each of the 17 layers that a value passes. Roundings are independent, so their errors add up as the root of their number.
    private static readonly double BFloat16Error = Math.Sqrt(4 * 17) * Math.Pow(2, -8);

    /// <summary>
    /// All that are compared. Adam's first steps are the learning rate times the sign of the gradient, and for gradients smaller than their own rounding error
    /// only float64 knows the sign: elsewhere the first step alone is compared.
    /// </summary>
    public static IReadOnlyList<GoldenPrecision> All { get; } =
    [
        new("float32", Precision.Float32, ScalarType.Float32, EvaluationError: 1e-4, LossError: 1e-5, Steps: 1),
        new("bfloat16", Precision.BFloat16, ScalarType.Float32, BFloat16Error, BFloat16Error, Steps: 1),
        new("float64", Precision.Float32, ScalarType.Float64, EvaluationError: 1e-10, LossError: 1e-10, Steps: 4),
    ];

    /// <summary>The back end's name in tables.</summary>
    public string Backend => $"torch {Name}";
}
