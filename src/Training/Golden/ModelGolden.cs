using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>
/// Compares the full-width ResNet18 and the first steps of both phases with <c>model.json</c>, in every <see cref="GoldenPrecision"/>. Network, phases, steps,
/// losses and optimiser are those of <c>train</c>; only weights and pixels are the formulas'.
/// </summary>
public static class ModelGolden
{
    /// <summary>Its name in the folder of golden files.</summary>
    public const string FileName = "model.json";

    /// <summary>Checks every case of the file in <paramref name="folder"/>.</summary>
    public static IEnumerable<GoldenResult> Check(string folder)
    {
        var golden = GoldenFile.Read<ModelFile>(folder, FileName);
        return CheckNames(golden).Concat(GoldenPrecision.All.SelectMany(precision => CheckIn(precision, golden)));
    }

    private static IEnumerable<GoldenResult> CheckNames(ModelFile golden)
    {
        using var device = OpenDevice();
        using var model = GoldenModel.Create(golden.Names, GoldenPrecision.All[0], device);
        var state = model.state_dict();
        var shapes = golden.Keys.Count(key => !state.TryGetValue(key[0].GetString()!, out var entry) || !entry.shape.SequenceEqual(key[1].Deserialize<long[]>()!));
        var mainEntries = state.Keys.Count(name => !name.Contains("auxiliary", StringComparison.Ordinal));
        yield return new GoldenResult("model/names and shapes, entries that differ", "torch", shapes + Math.Abs(mainEntries - golden.Keys.Length), 0);

        var phase = TrainingPhase.AuxiliaryBranch(GoldenTraining.Recipe(Precision.Float32), GoldenTraining.Data, device);
        var trained = model.MakeTrainable(phase.Trained, phase.Branch).Select(chosen => chosen.Name);
        var expected = golden.Stage2Trainable.Select(AuxiliaryName);
        yield return new GoldenResult("model/stage 2 trained parameters that differ", "torch", trained.Except(expected).Union(expected.Except(trained)).Count(), 0);
    }

    private static IEnumerable<GoldenResult> CheckIn(GoldenPrecision precision, ModelFile golden) =>
        CheckEvaluation(precision, golden).Concat(CheckFirstPhase(precision, golden)).Concat(CheckSecondPhase(precision, golden));

    private static GoldenResult[] CheckEvaluation(GoldenPrecision precision, ModelFile golden)
    {
        using var scope = NewDisposeScope();
        using var device = OpenDevice();
        using var model = GoldenModel.Create(golden.Names, precision, device);
        model.CopyMainToAuxiliary();
        var output = Evaluate(model, precision);
        var probability = output.MainLogits.softmax(1).amax([1]);
        return
        [
            Evaluated("main logits", output.MainLogits, golden.EvalLogits),
            Evaluated("auxiliary logits", output.AuxiliaryLogits, golden.EvalLogits),
            Evaluated("feature norms", output.Features.norm(1), [golden.FeatureNorms]),
            Evaluated("projection", output.Projection[.., ..8], golden.ProjectionFirst8),
            Evaluated("largest probability", probability, [golden.Msp]),
        ];

        GoldenResult Evaluated(string name, Tensor actual, double[][] expected) =>
            new($"model/evaluation, {name}", precision.Backend, RelativeNorm(actual, expected), precision.EvaluationError);
    }

    private static List<GoldenResult> CheckFirstPhase(GoldenPrecision precision, ModelFile golden)
    {
        using var scope = NewDisposeScope();
        using var device = OpenDevice();
        using var model = GoldenModel.Create(golden.Names, precision, device);
        using var batch = GoldenTraining.FirstPhaseBatch(precision.Parameters);
        var recipe = GoldenTraining.Recipe(precision.Convolutions);
        var phase = TrainingPhase.Representation(recipe, GoldenTraining.Data, device);
        if (precision.Parameters == ScalarType.Float64)
        {
            // The golden numbers have a rounding to float32 in them, which is far below what the other precisions show, and which Adam's steps would enlarge.
            var tail = recipe.Tail(GoldenTraining.Data.Training.CountPerClass()).Flags;
            phase = phase with { NewObjective = _ => new PasclObjective(recipe.Loss, tail, device, GoldenTraining.ClassWeights) };
        }

        var results = Train(phase, model, device, batch, precision, golden.Stage1Adam, "stage 1");
        if (precision.Steps == golden.Stage1Adam.Length)
        {
            var error = RelativeNorm(Evaluate(model, precision).MainLogits, golden.EvalLogitsAfter);
            results.Add(new GoldenResult("model/stage 1, logits afterwards", precision.Backend, error, precision.EvaluationError));
        }

        return results;
    }

    private static List<GoldenResult> CheckSecondPhase(GoldenPrecision precision, ModelFile golden)
    {
        using var scope = NewDisposeScope();
        using var device = OpenDevice();
        using var model = GoldenModel.Create(golden.Names, precision, device);
        using var batch = GoldenTraining.SecondPhaseBatch(precision.Parameters);
        var phase = TrainingPhase.AuxiliaryBranch(GoldenTraining.Recipe(precision.Convolutions), GoldenTraining.Data, device);

        // Its total is its only part.
        double[][] expected = [.. golden.Stage2Adam.Select(loss => new[] { loss, loss })];
        return Train(phase, model, device, batch, precision, expected, "stage 2");
    }

    // The losses of a step are those before it.
    private static List<GoldenResult> Train(
        TrainingPhase phase, DualBranchNetwork model, ComputeDevice device, Batch batch, GoldenPrecision precision, double[][] expected, string name)
    {
        phase.Enter(model);
        using var steps = new TrainingSteps(phase, model, GoldenTraining.Data, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        List<GoldenResult> results =
        [
            new($"model/{name}, weights and images that are not stored channels last", precision.Backend, ChannelsFirst(model, batch), 0),
        ];
        model.train();
        foreach (var (step, losses) in expected.Take(precision.Steps).Index())
        {
            steps.Take(batch, sums);
            var actual = sums.MeansSinceReport(step + 1);
            var error = actual.Length == losses.Length ? actual.Zip(losses, Difference.Relative).Max() : double.NaN;
            results.Add(new GoldenResult($"model/{name}, losses before step {step + 1}", precision.Backend, error, precision.LossError));
        }

        return results;
    }

    // The layout changes the speed of a step and not its numbers, so nothing but this would notice it.
    private static int ChannelsFirst(DualBranchNetwork model, Batch batch)
    {
        using var scope = NewDisposeScope();
        return model.parameters().Where(parameter => parameter.dim() == 4).Append(batch.Images).Count(tensor => !tensor.permute(0, 2, 3, 1).is_contiguous());
    }

    // The golden numbers are those of the first eight images.
    private static ModelOutput Evaluate(DualBranchNetwork model, GoldenPrecision precision)
    {
        using var batch = GoldenTraining.SecondPhaseBatch(precision.Parameters);
        using var images = batch.Images[..8];
        return model.Predict(images);
    }

    private static double RelativeNorm(Tensor actual, double[][] expected)
    {
        using var scope = NewDisposeScope();
        double[] values = actual.detach().to(float64).contiguous().data<double>().ToArray();
        return Difference.RelativeNorm(values, [.. expected.SelectMany(row => row)]);
    }

    private static ComputeDevice OpenDevice() => ComputeDevice.Open("cpu", Backend.Torch);

    private static string AuxiliaryName(string name) => name.StartsWith("linear.", StringComparison.Ordinal)
        ? $"auxiliary_{name}"
        : name.Insert(name.LastIndexOf('.'), ".auxiliary");

    private sealed record ModelFile(
        JsonElement[][] Keys,
        double[][] EvalLogits,
        double[] FeatureNorms,
        double[][] ProjectionFirst8,
        double[] Msp,
        double[][] Stage1Adam,
        double[][] EvalLogitsAfter,
        double[] Stage2Adam,
        string[] Stage2Trainable)
    {
        public IEnumerable<string> Names => Keys.Select(key => key[0].GetString()!);
    }
}

/// <summary>The training that <c>model.json</c> has the first steps of: recipe, training images per class, and batches.</summary>
internal static class GoldenTraining
{
    private const uint ImageSeed = 6000;
    private const int Images = 16;
    private const int Size = 32;
    private const int FirstPhaseOutliers = 4;

    // CIFAR10-LT.
    private static readonly int[] TrainingCounts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50];
    private static readonly int[] FirstPhaseLabels = [0, 3, 6, 6, 8, 9];
    private static readonly int[] SecondPhaseLabels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 1, 1, 2, 3];

    /// <summary>As many training images of each class as CIFAR10-LT has; the batches' pixels are a formula's.</summary>
    public static TrainingData Data { get; } = TrainingData.OfCounts(TrainingCounts, FirstPhaseOutliers);

    /// <summary>
    /// Weights that repeat the float32 rounding of 1/|P| in the authors' code, 2^-25 of the contrastive loss: class 6 has two images, so each of its rows has
    /// three positives.
    /// </summary>
    public static IReadOnlyList<double> ClassWeights { get; } = [.. TrainingCounts.Index().Select(count => count.Index == 6 ? 3 * (double)(1f / 3) : 1)];

    /// <summary>The defaults of the authors' code with the batch sizes of the golden steps, by torch on the CPU.</summary>
    /// <param name="precision">Of the convolutions.</param>
    public static Recipe Recipe(Precision precision)
    {
        var recipe = Presets.Find("cifar10-lt-code").Recipe;
        return recipe with
        {
            Precision = precision,
            Device = "cpu",
            Backend = Backend.Torch,
            OutlierBatchSize = FirstPhaseOutliers,
            Representation = recipe.Representation with { BatchSize = FirstPhaseLabels.Length },
            AuxiliaryBranch = recipe.AuxiliaryBranch with { BatchSize = SecondPhaseLabels.Length },
        };
    }

    /// <summary>The first phase's batch as the loader makes it: six images, their mirror images as second views, and four outliers.</summary>
    public static Batch FirstPhaseBatch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var pixels = Pixels(type);
        var (firstViews, outliers) = (pixels[..FirstPhaseLabels.Length], pixels.narrow(0, FirstPhaseLabels.Length, FirstPhaseOutliers));
        return Batch.FromPixels(cat([firstViews, firstViews.flip(2), outliers]), Data.Training, WithLabels(FirstPhaseLabels), views: 2);
    }

    /// <summary>The second phase's batch as the loader makes it: all sixteen images.</summary>
    public static Batch SecondPhaseBatch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        return Batch.FromPixels(Pixels(type), Data.Training, WithLabels(SecondPhaseLabels), views: 1);
    }

    // (16, 32, 32, 3). The formula numbers the values of (16, 3, 32, 32).
    private static Tensor Pixels(ScalarType type)
    {
        var values = GoldenInputs.Sequence(ImageSeed, Images * PixelBlock.Channels * Size * Size);
        return tensor(Array.ConvertAll(values, value => value + 0.5), type).reshape(Images, PixelBlock.Channels, Size, Size).permute(0, 2, 3, 1).contiguous();
    }

    // For each label an image that has it.
    private static int[] WithLabels(int[] labels) => Array.ConvertAll(labels, label => Data.Training.Labels.IndexOf(label));
}

/// <summary>The network of <c>model.json</c>: made as training makes it, then given weights by a formula.</summary>
internal static class GoldenModel
{
    private const uint FirstSeed = 7000;

    /// <summary>Creates the network; the formula is for the main branch, and numbers its entries in the order of <paramref name="keys"/>.</summary>
    /// <param name="keys">Names in <c>state_dict</c>.</param>
    /// <param name="precision">What it computes in.</param>
    /// <param name="device">Where it is.</param>
    public static DualBranchNetwork Create(IEnumerable<string> keys, GoldenPrecision precision, ComputeDevice device)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = Trainer.CreateModel(GoldenTraining.Recipe(precision.Convolutions), GoldenTraining.Data.Training.ClassCount, device);
        var state = model.state_dict();
        foreach (var (place, key) in keys.Where(key => !key.EndsWith("num_batches_tracked", StringComparison.Ordinal)).Index())
        {
            Fill(state[key], key, place);
        }

        return model.to(precision.Parameters);
    }

    /// <summary>Gives an entry the formula's values for its name, its shape, and its place among the entries.</summary>
    public static void Fill(Tensor entry, string key, int place)
    {
        var values = GoldenInputs.Sequence(FirstSeed + (uint)place, (int)entry.numel());
        entry.copy_(tensor(Array.ConvertAll(values, Formula(key, entry.shape))).reshape(entry.shape));
    }

    private static Converter<double, float> Formula(string key, long[] shape)
    {
        if (shape.Length >= 2)
        {
            var fanIn = shape.Skip(1).Aggregate(1L, (product, size) => product * size);
            return value => (float)(value * 2 * Math.Sqrt(6.0 / fanIn));
        }

        var isScale = key.EndsWith("running_var", StringComparison.Ordinal) || key.EndsWith("weight", StringComparison.Ordinal);
        return isScale ? value => (float)(1 + (0.2 * value)) : value => (float)(0.1 * value);
    }
}

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
