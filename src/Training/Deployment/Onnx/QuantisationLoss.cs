using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Measures a model in eight bits beside the one that it was made of, both by ONNX Runtime, on the run's test images and out-of-distribution sets.</summary>
internal static class QuantisationLoss
{
    /// <summary>Runs both over every image.</summary>
    /// <param name="float32">The model in float32, for squares of the network's size.</param>
    /// <param name="deployed">What it is.</param>
    /// <param name="quantised">The model in eight bits.</param>
    /// <param name="input">The pixels of both.</param>
    /// <param name="images">Test images and sets; those that show the classes otherwise (<see cref="SetGroup.Shift"/>) are left out.</param>
    /// <param name="chosenOn">What the ranges were chosen on.</param>
    public static QuantisationReport Of(byte[] float32, DeployedModel deployed, QuantisedModel quantised, PixelType input, TrainingData images, string chosenOn)
    {
        ImageSet[] sets = [.. images.OutOfDistribution.Where(set => set.Group != SetGroup.Shift && set.Count > 0)];
        return new QuantisationReport(
            deployed.Score.Name, chosenOn, quantised.ImageCount, quantised.Share, Numbers(float32, deployed), Numbers(quantised.OnSquares, quantised.Deployed));

        QuantisedNumbers Numbers(byte[] model, DeployedModel of)
        {
            var test = OnnxQuantisation.Answers(model, input, images.Test, out var time);
            double[] scores = Array.ConvertAll(test.Scores, score => (double)score);
            var found = sets.Select(set => Detect(set, scores, OnnxQuantisation.Answers(model, input, set, out _))).ToArray();
            var classes = new Logits(test.Logits, of.ClassNames.Count).Classes();
            return new QuantisedNumbers(
                found.Length == 0 ? null : found.Average(set => set.Auroc),
                found.Length == 0 ? null : found.Average(set => set.Fpr95),
                classes.Where((label, i) => label == images.Test.Labels[i]).Count() / (double)classes.Length,
                test.Accepted is { } accepted ? accepted.Count(isAccepted => isAccepted) / (double)accepted.Length : null,
                of.Threshold?.Value,
                images.Test.Count / time.TotalSeconds,
                found);
        }
    }

    private static QuantisedSet Detect(ImageSet set, double[] test, OnnxOutputs outputs)
    {
        var (outScores, furtherScores) = DetectionBySet.Part(set, Array.ConvertAll(outputs.Scores, score => (double)score));
        var metrics = OodMetrics.Compute(outScores, [.. test, .. furtherScores]);
        return new QuantisedSet(set.Name, metrics.Auroc, metrics.Fpr95);
    }
}
