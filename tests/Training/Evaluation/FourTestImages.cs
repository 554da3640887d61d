using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>Four test images and three of another set, with made-up predictions whose metrics can be counted by hand.</summary>
internal static class FourTestImages
{
    public static ImageSet Test { get; } = EvaluationSamples.Set("test", 0, 1, 2, 2);

    public static Predictions OfTest { get; } = new(
        Main: EvaluationSamples.Logits((0, 9), (1, 8), (0, 4), (1, 2)),
        Auxiliary: EvaluationSamples.Logits((0, 1), (0, 2), (2, 3), (2, 4)));

    /// <summary>Two images of no class, one unsure and one half sure, and one sure image that shows class 0.</summary>
    public static ImageSet Far { get; } = EvaluationSamples.Set("far", ImageSet.NoClass, ImageSet.NoClass, 0);

    public static Predictions OfFar { get; } = new(
        Main: EvaluationSamples.Logits((0, 1), (0, 3), (0, 7)),
        Auxiliary: EvaluationSamples.Logits((0, 9), (0, 9), (0, 9)));

    public static EvaluationReport Evaluate() =>
        Evaluator.Evaluate(images => images == Test ? OfTest : OfFar, Test, [Far], EvaluationSamples.Protocol);

    /// <summary>The score of a row that is that sure.</summary>
    public static double Score(float sureness) => Softmax.OneMinusMaximum(EvaluationSamples.Row(0, sureness));

    /// <summary>The scores of several rows.</summary>
    public static double[] ScoresOf(params float[] surenesses) => Array.ConvertAll(surenesses, Score);
}
