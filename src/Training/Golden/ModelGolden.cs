using System.Text.Json;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Golden;

/// <summary>Compares the full-width ResNet18, its losses and the first steps of both phases with <c>model.json</c>.</summary>
/// <remarks>
/// Evaluation and the losses before the first step are compared in float32. Adam's first steps are the learning rate times the sign of the gradient, and
/// for gradients smaller than their own rounding error float32 cannot know the sign: the steps themselves are therefore compared in float64.
/// </remarks>
public static class ModelGolden
{
    /// <summary>The file's name.</summary>
    public const string FileName = "model.json";

    private const double EvaluationError = 1e-4;
    private const double Float32Error = 1e-5;
    private const double Float64Error = 1e-10;
    private const int Steps = 4;

    /// <summary>Checks every case of the file in <paramref name="folder"/>.</summary>
    public static IEnumerable<GoldenResult> Check(string folder)
    {
        var golden = GoldenFile.Read<ModelFile>(folder, FileName);
        return CheckNames(golden)
            .Concat(CheckEvaluation(golden))
            .Concat(CheckFirstPhase(golden, float32, steps: 1, Float32Error))
            .Concat(CheckSecondPhase(golden, float32, steps: 1, Float32Error))
            .Concat(CheckFirstPhase(golden, float64, Steps, Float64Error))
            .Concat(CheckSecondPhase(golden, float64, Steps, Float64Error));
    }

    private static IEnumerable<GoldenResult> CheckNames(ModelFile golden)
    {
        using var model = GoldenModel.Create(golden.Names, float32);
        var state = model.state_dict();
        var shapes = golden.Keys.Count(key => !state.TryGetValue(key[0].GetString()!, out var entry) || !entry.shape.SequenceEqual(key[1].Deserialize<long[]>()!));
        var mainEntries = state.Keys.Count(name => !name.Contains("auxiliary", StringComparison.Ordinal));
        yield return new GoldenResult("model/names and shapes, entries that differ", "torch", shapes + Math.Abs(mainEntries - golden.Keys.Length), 0);

        var trained = model.MakeTrainable(TrainableParameters.BatchNormAndClassifier).Select(chosen => chosen.Name);
        var expected = golden.Stage2Trainable.Select(AuxiliaryName);
        yield return new GoldenResult("model/stage 2 trained parameters that differ", "torch", trained.Except(expected).Union(expected.Except(trained)).Count(), 0);
    }

    private static IEnumerable<GoldenResult> CheckEvaluation(ModelFile golden)
    {
        using var scope = NewDisposeScope();
        using var model = GoldenModel.Create(golden.Names, float32);
        var output = model.Predict(GoldenModel.Images(float32)[..8]);
        var probability = output.MainLogits.softmax(1).amax([1]);
        return
        [
            Evaluated("main logits", output.MainLogits, golden.EvalLogits),
            Evaluated("auxiliary logits", output.AuxiliaryLogits, golden.EvalLogits),
            Evaluated("feature norms", output.Features.norm(1), [golden.FeatureNorms]),
            Evaluated("projection", output.Projection[.., ..8], golden.ProjectionFirst8),
            Evaluated("largest probability", probability, [golden.Msp]),
        ];

        static GoldenResult Evaluated(string name, Tensor actual, double[][] expected) =>
            new($"model/evaluation, {name}", "torch", Difference.RelativeNorm(Values(actual), [.. expected.SelectMany(row => row)]), EvaluationError);
    }

    private static List<GoldenResult> CheckFirstPhase(ModelFile golden, ScalarType type, int steps, double allowed)
    {
        using var scope = NewDisposeScope();
        using var model = GoldenModel.Create(golden.Names, type);
        using var contrastive = new PasclLoss(GoldenModel.IsTail, 0.07, GoldenModel.ClassWeights);
        using var outlierExposure = new OutlierExposureLoss();
        var images = GoldenModel.Images(type);
        var batch = cat([images[..6], images[..6].flip(3), images[6..10]]); // (2N + K, 3, 32, 32) with N = 6, K = 4
        var labels = tensor(GoldenModel.FirstPhaseLabels);
        var bothViews = cat([labels, labels]);

        var results = Train(model, TrainableParameters.MainBranch, learningRate: 1e-3, steps, golden.Stage1Adam, $"stage 1 {type}", allowed, () =>
        {
            var output = model.forward(batch, Branch.Main);
            var classification = functional.cross_entropy(output.Logits[..12], bothViews);
            var exposure = outlierExposure.forward(output.Logits[12..]);
            var contrast = contrastive.forward(output.Projection, labels);
            return [classification + (0.5 * exposure) + (0.1 * contrast), classification, exposure, contrast];
        });
        if (steps == Steps)
        {
            var logits = Values(model.Predict(images[..8]).MainLogits);
            var error = Difference.RelativeNorm(logits, [.. golden.EvalLogitsAfter.SelectMany(row => row)]);
            results.Add(new GoldenResult($"model/stage 1 {type}, logits afterwards", "torch", error, allowed));
        }

        return results;
    }

    private static List<GoldenResult> CheckSecondPhase(ModelFile golden, ScalarType type, int steps, double allowed)
    {
        using var scope = NewDisposeScope();
        using var model = GoldenModel.Create(golden.Names, type);
        using var adjusted = new LogitAdjustment(GoldenModel.TrainingCounts);
        var images = GoldenModel.Images(type);
        var labels = tensor(GoldenModel.SecondPhaseLabels);
        double[][] expected = [.. golden.Stage2Adam.Select(loss => new[] { loss })];
        return Train(model, TrainableParameters.BatchNormAndClassifier, learningRate: 5e-4, steps, expected, $"stage 2 {type}", allowed, () =>
            [adjusted.forward(model.forward(images, Branch.Auxiliary).Logits, labels)]);
    }

    // The first of the losses is the one that is minimised; all are compared before each step.
    private static List<GoldenResult> Train(
        DualBranchResNet model, TrainableParameters trainable, double learningRate, int steps, double[][] expected, string name, double allowed, Func<Tensor[]> losses)
    {
        using var optimiser = optim.Adam(model.MakeTrainable(trainable).Select(chosen => chosen.Parameter), learningRate, weight_decay: 5e-4);
        var results = new List<GoldenResult>();
        model.train();
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            var actual = losses();
            var errors = actual.Zip(expected[step], (loss, number) => Difference.Relative(Values(loss)[0], number));
            results.Add(new GoldenResult($"model/{name}, losses before step {step + 1}", "torch", errors.Max(), allowed));
            optimiser.zero_grad();
            actual[0].backward();
            optimiser.step();
        }

        return results;
    }

    private static double[] Values(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(float64).contiguous().data<double>().ToArray();
    }

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
