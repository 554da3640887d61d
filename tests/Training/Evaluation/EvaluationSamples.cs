using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>Small image sets of one black pixel each, and predictions made up for them.</summary>
internal static class EvaluationSamples
{
    public static EvaluationProtocol Protocol { get; } = new([500, 50, 5], [false, false, true], ShotRule.Count);

    public static ImageSet Set(string name, params int[] labels) =>
        new(name, new PixelBlock(labels.Length, 1, 1), labels, ["plane", "car", "cat"]);

    /// <summary>Logits of three classes whose highest is that of <paramref name="top"/>, by more the surer.</summary>
    public static float[] Row(int top, float sureness) => [.. Enumerable.Range(0, 3).Select(c => c == top ? sureness : 0)];

    public static Logits Logits(params (int Top, float Sureness)[] rows) => new([.. rows.SelectMany(row => Row(row.Top, row.Sureness))], 3);

    public static EvaluationReport Report(params ImageSet[] outOfDistribution)
    {
        var random = new Random(5);
        return Evaluator.Evaluate(
            images => new Predictions(RandomLogits(random, images.Count), RandomLogits(random, images.Count)),
            Set("test", 0, 0, 1, 1, 2, 2),
            outOfDistribution,
            Protocol);
    }

    private static Logits RandomLogits(Random random, int count) =>
        new([.. Enumerable.Range(0, 3 * count).Select(_ => (float)random.NextDouble())], 3);
}
