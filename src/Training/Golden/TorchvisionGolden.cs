using System.Text.Json;
using Pascl.Training.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>
/// Compares the ResNets for photographs with torchvision's (<c>torchvision.json</c>): names and shapes, logits in evaluation mode, and the loss and every gradient of a
/// first step, in float32 and float64. In float32 a deep network in training mode is ill-conditioned (a rounding decides whether a ReLU near 0 is open), so that there four
/// times the error of PyTorch's own float32 is allowed where that is more. Normalisation is inside our networks and before theirs.
/// </summary>
public static class TorchvisionGolden
{
    /// <summary>Its name in the folder of golden files.</summary>
    public const string FileName = "torchvision.json";

    private const uint PixelSeed = 6000;
    private const uint FirstProbe = 9000;
    private const int Images = 4;
    private const int Size = 64;

    /// <summary>Checks every case of the file in <paramref name="folder"/>.</summary>
    public static IEnumerable<GoldenResult> Check(string folder) => GoldenFile.Read<TorchvisionFile>(folder, FileName).Cases.SelectMany(Check);

    private static IEnumerable<GoldenResult> Check(TorchvisionCase golden) =>
        Check(golden, ScalarType.Float32, allowed: 1e-5).Concat(Check(golden, ScalarType.Float64, allowed: 1e-10));

    private static List<GoldenResult> Check(TorchvisionCase golden, ScalarType type, double allowed)
    {
        using var scope = NewDisposeScope();
        var classes = golden.EvalLogits[0].Length;
        using var network = NetworkDefinition.Find(golden.Name == "resnet50" ? golden.Name : $"{golden.Name}-imagenet").Create(new NetworkSettings(new NetworkHead(classes)));
        var results = new List<GoldenResult> { Result("names and shapes, entries that differ", Fill(network, golden), 0) };
        network.to(type);
        var images = tensor(Array.ConvertAll(GoldenInputs.Sequence(PixelSeed, Images * 3 * Size * Size), value => value + 0.5), type).reshape(Images, 3, Size, Size);
        results.Add(Result("logits", Difference.RelativeNorm(Values(network.Predict(images).MainLogits), [.. golden.EvalLogits.SelectMany(row => row)]), allowed));
        network.train();
        network.MakeTrainable(TrainableParameters.All, Branch.Main);
        var labels = arange(Images, ScalarType.Int64).remainder(classes);
        var loss = nn.functional.cross_entropy(network.forward(images, Branch.Main).Logits, labels);
        loss.backward();
        results.Add(Result("loss of a step", Difference.Relative(loss.to(float64).item<double>(), golden.Loss), Rounded(golden.Float32LossError)));
        results.Add(Result("gradients of a step, the furthest", golden.Parameters.Index().Max(parameter => GradientError(network, golden, parameter.Index)), Rounded(golden.Float32GradientError)));
        results.Add(Result(
            "running mean after a step",
            Difference.Relative(network.state_dict()["layer4.0.downsample.1.running_mean"].norm().to(float64).item<double>(), golden.RunningMean), allowed));
        return results;

        double Rounded(double torchs) => type == ScalarType.Float32 ? Math.Max(allowed, 4 * torchs) : allowed;

        GoldenResult Result(string name, double error, double allowedError) => new(
            $"torchvision/{golden.Name}, {name}", $"torch {(type == ScalarType.Float64 ? "float64" : "float32")}", error, allowedError);
    }

    // Gives the main branch the formula's weights; the number of its entries that are not torchvision's in name or shape.
    private static int Fill(DualBranchNetwork network, TorchvisionCase golden)
    {
        using var frozen = no_grad();
        var state = network.state_dict();
        var ours = state.Keys.Count(name =>
            !name.Contains("auxiliary", StringComparison.Ordinal) && !name.StartsWith("projection.", StringComparison.Ordinal)
            && !name.EndsWith("num_batches_tracked", StringComparison.Ordinal));
        var different = Math.Abs(ours - golden.Keys.Length);
        foreach (var (place, key) in golden.Keys.Index())
        {
            var (name, shape) = (OurName(key[0].GetString()!), key[1].Deserialize<long[]>()!);
            if (!state.TryGetValue(name, out var entry) || !entry.shape.SequenceEqual(shape))
            {
                different++;
                continue;
            }

            GoldenModel.Fill(entry, name, place);
        }

        return different;
    }

    // By norm and by the product with numbers of a formula, both relative to the lengths of what is compared.
    private static double GradientError(DualBranchNetwork network, TorchvisionCase golden, int place)
    {
        var name = OurName(golden.Parameters[place]);
        var gradient = Values(network.named_parameters().Single(parameter => parameter.name == name).parameter.grad!);
        var probe = GoldenInputs.Sequence(FirstProbe + (uint)place, gradient.Length);
        var norm = golden.GradientNorms[place];
        return Math.Max(
            Difference.Relative(Difference.Norm(gradient), norm),
            Math.Abs(Difference.Dot(gradient, probe) - golden.GradientProbes[place]) / (norm * Difference.Norm(probe)));
    }

    private static string OurName(string torchvisions) =>
        torchvisions.StartsWith("fc.", StringComparison.Ordinal) ? $"linear.{torchvisions["fc.".Length..]}" : torchvisions;

    private static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(float64).contiguous().data<double>().ToArray();
    }

    private sealed record TorchvisionFile(TorchvisionCase[] Cases);

    private sealed record TorchvisionCase(
        string Name,
        JsonElement[][] Keys,
        double[][] EvalLogits,
        double Loss,
        double Float32LossError,
        double Float32GradientError,
        string[] Parameters,
        double[] GradientNorms,
        double[] GradientProbes,
        double RunningMean);
}
