using Pascl.Training.Data;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

/// <summary>Two in-distribution rows and two outliers of three classes, small enough to compute every loss by hand.</summary>
internal static class BaselineFixture
{
    public static readonly double[,] Logits = { { 2, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 1, 1, 0 } };

    public static readonly double[] Prior = [0.6, 0.3, 0.1];

    /// <summary>1e-6 in double, 1e-5 in float32.</summary>
    public static double Tolerance(ScalarType type) => type == ScalarType.Float64 ? 1e-6 : 1e-5;

    public static Tensor Tensor(double[,] values, ScalarType type, bool needsGradient = false) => tensor(values).to(type).requires_grad_(needsGradient);

    /// <summary>The outliers' rows.</summary>
    public static Tensor Outliers(ScalarType type) => Tensor(Logits, type).narrow(0, 2, 2);

    /// <summary>The in-distribution rows.</summary>
    public static Tensor InDistribution(ScalarType type) => Tensor(Logits, type).narrow(0, 0, 2);

    /// <summary>A batch of empty images: what an objective needs beside the network's output.</summary>
    public static Batch Batch(int[] classes, int outliers, int views = 1, BatchPosition position = default) =>
        new(empty((views * classes.Length) + outliers, 3, 1, 1), tensor(Array.ConvertAll(classes, label => (long)label)), views)
        {
            Classes = classes,
            Position = position,
        };

    /// <summary>What a network gave for a batch; the projection plays no part.</summary>
    public static BranchOutput Output(Tensor logits, Tensor? features = null) => new(logits, features ?? logits, logits);
}
