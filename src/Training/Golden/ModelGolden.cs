using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>
/// Compares the full-width ResNet18 and the first steps of both phases with <c>model.json</c>, in every <see cref="GoldenPrecision"/>. Network, phases, steps,
/// losses and optimiser are those of <c>train</c>; only weights and pixels are the formulas'.
/// </summary>
public static class ModelGolden
{
    /// <summary>The file's name.</summary>
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
        var trained = model.MakeTrainable(phase.Trained).Select(chosen => chosen.Name);
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
