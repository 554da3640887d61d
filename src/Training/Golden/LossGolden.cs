using System.Globalization;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>
/// Compares the losses and their gradients with <c>losses.json</c>: the double-precision reference to 1e-12, float32 on torch and, for small batches,
/// by kernels on the simulator to 1e-5, relative.
/// </summary>
public static class LossGolden
{
    /// <summary>Its name in the folder of golden files.</summary>
    public const string FileName = "losses.json";

    // The simulator takes seconds for a real batch, and a blink for this many values.
    private const int MostSimulated = 1000;

    private const double Float32Error = 1e-5;
    private const double Float64Error = 1e-12;

    /// <summary>Checks every case of the file in <paramref name="folder"/>.</summary>
    public static IEnumerable<GoldenResult> Check(string folder)
    {
        var golden = GoldenFile.Read<LossFile>(folder, FileName);
        return CheckContrastive(golden.Contrastive)
            .Concat(golden.OutlierExposure.SelectMany(CheckOutlierExposure))
            .Concat(golden.ClassWeights.Select(CheckAnchorClasses));
    }

    private static IEnumerable<GoldenResult> CheckContrastive(ContrastiveCase[] golden)
    {
        using var device = KernelDevice.Open("simulator");
        foreach (var result in golden.SelectMany(each => CheckContrastive(each, device)))
        {
            yield return result;
        }
    }

    private static IEnumerable<GoldenResult> CheckContrastive(ContrastiveCase golden, KernelDevice device)
    {
        var images = golden.Labels.Length;
        float[] rows =
        [
            .. GoldenInputs.Features(golden.Seed, images, golden.Dim),
            .. GoldenInputs.Features(golden.Seed + 1, images, golden.Dim),
            .. GoldenInputs.Features(golden.Seed + 2, golden.Ood, golden.Dim),
        ];
        return CompareContrastive(golden, "reference float64", ContrastiveReference(golden, rows), Float64Error)
            .Concat(CompareContrastive(golden, "torch float32", ContrastiveTorch(golden, rows), Float32Error))
            .Concat(rows.Length > MostSimulated ? [] : CompareContrastive(golden, "simulator float32", ContrastiveTorch(golden, rows, device), Float32Error));
    }

    private static (double Loss, double[] Gradient) ContrastiveReference(ContrastiveCase golden, float[] rows)
    {
        var values = Array.ConvertAll(rows, value => (double)value);
        int[] labels = [.. golden.Labels, .. golden.Labels];

        // The authors' code rounds 1/|P| to float32 even when all else is float64. |P| is the same for a class, so a class weight repeats the rounding.
        var weights = Enumerable.Range(0, golden.Classes)
            .Select(label => Math.Max(1, labels.Count(other => other == label) - 1))
            .Select(positives => positives * (double)(1f / positives))
            .ToArray();
        return (FusedContrastiveLossReference.Forward(values, golden.Dim, labels, golden.Temperature, weights),
            FusedContrastiveLossReference.Backward(values, golden.Dim, labels, golden.Temperature, weights));
    }

    private static (double Loss, double[] Gradient) ContrastiveTorch(ContrastiveCase golden, float[] rows, KernelDevice? device = null)
    {
        using var scope = NewDisposeScope();
        using var module = new PasclLoss(Tail(golden.Classes, golden.K), golden.Temperature, device: device);
        var features = tensor(rows).reshape(-1, golden.Dim).requires_grad_();
        var loss = module.forward(features, tensor(golden.Labels, int64));
        KernelGradients.Backward(loss);
        return (loss.item<float>(), Array.ConvertAll(features.grad!.data<float>().ToArray(), value => (double)value));
    }

    private static IEnumerable<GoldenResult> CompareContrastive(ContrastiveCase golden, string backend, (double Loss, double[] Gradient) actual, double allowed)
    {
        var name = $"losses/contrastive/{golden.Name}";
        yield return new GoldenResult($"{name} loss", backend, Difference.Relative(actual.Loss, golden.Loss), allowed);

        var viewLength = golden.Labels.Length * golden.Dim;
        (string Name, double[] Gradient, double[][]? Expected)[] parts =
        [
            ("view 1", actual.Gradient[..viewLength], golden.GradView1),
            ("view 2", actual.Gradient[viewLength..(2 * viewLength)], golden.GradView2),
            ("outliers", actual.Gradient[(2 * viewLength)..], golden.GradOod),
        ];
        foreach (var (index, (part, gradient, expected)) in parts.Index())
        {
            var probe = Difference.Dot(gradient, GoldenInputs.Sequence(golden.Seed + 9, gradient.Length));
            yield return new GoldenResult($"{name} gradient norm, {part}", backend, Difference.Relative(Difference.Norm(gradient), golden.GradNorms[index]), allowed);
            yield return new GoldenResult($"{name} gradient probe, {part}", backend, Difference.Relative(probe, golden.GradProbe[index]), allowed);
            if (expected is not null)
            {
                double[] values = [.. expected.SelectMany(row => row)];
                yield return new GoldenResult($"{name} gradient, {part}", backend, Difference.RelativeNorm(gradient, values), allowed);
            }
        }
    }

    private static IEnumerable<GoldenResult> CheckOutlierExposure(OutlierExposureCase golden)
    {
        using var scope = NewDisposeScope();
        var values = Array.ConvertAll(GoldenInputs.Sequence(golden.Seed, golden.Rows * golden.Classes), value => (float)(golden.Scale * value));
        using var module = new OutlierExposureLoss();
        var logits = tensor(values).reshape(golden.Rows, golden.Classes).requires_grad_();
        var loss = module.forward(logits);
        loss.backward();
        var gradient = Array.ConvertAll(logits.grad!.data<float>().ToArray(), value => (double)value);
        var probe = Difference.Dot(gradient, GoldenInputs.Sequence(golden.Seed + 9, gradient.Length));

        var name = $"losses/outlier exposure/{golden.Rows} rows";
        return
        [
            new GoldenResult($"{name} loss", "torch float32", Difference.Relative(loss.item<float>(), golden.Loss), Float32Error),
            new GoldenResult($"{name} gradient norm", "torch float32", Difference.Relative(Difference.Norm(gradient), golden.GradNorm), Float32Error),
            new GoldenResult($"{name} gradient probe", "torch float32", Difference.Relative(probe, golden.GradProbe), Float32Error),
        ];
    }

    // The authors' class weights are 1 for exactly the classes that can be anchors; the key reads C10_k0.4.
    private static GoldenResult CheckAnchorClasses(KeyValuePair<string, double[]> golden)
    {
        var fraction = double.Parse(golden.Key[(golden.Key.IndexOf('k', StringComparison.Ordinal) + 1)..], CultureInfo.InvariantCulture);
        var differing = Tail(golden.Value.Length, fraction).Zip(golden.Value, (isTail, weight) => isTail != (weight == 1)).Count(differs => differs);
        return new GoldenResult($"losses/anchor classes {golden.Key}, classes that differ", "reference", differing, 0);
    }

    private static bool[] Tail(int classes, double fraction) => new TailClasses(new int[classes], fraction, TailRule.HighestIndex).Flags;

    private sealed record LossFile(ContrastiveCase[] Contrastive, OutlierExposureCase[] OutlierExposure, Dictionary<string, double[]> ClassWeights);

    private sealed record ContrastiveCase(
        string Name, uint Seed, int Classes, double K, int[] Labels, int Ood, int Dim, double Temperature, double Loss, double[] GradNorms, double[] GradProbe)
    {
        public double[][]? GradView1 { get; init; }

        public double[][]? GradView2 { get; init; }

        public double[][]? GradOod { get; init; }
    }

    private sealed record OutlierExposureCase(uint Seed, int Rows, int Classes, double Scale, double Loss, double GradNorm, double GradProbe);
}
