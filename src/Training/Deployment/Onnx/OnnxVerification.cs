using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Compares an exported model with the network that it came from, image by image.</summary>
internal static class OnnxVerification
{
    /// <summary>Images that are compared where there are so many.</summary>
    public const int MostImages = 1000;

    /// <summary>Images in a batch.</summary>
    public const int BatchSize = 128;

    /// <summary>At most <see cref="MostImages"/> images, spread evenly, because sets are often sorted by class.</summary>
    public static ImageSet Choose(ImageSet images) => images.Count <= MostImages
        ? images
        : images.Select(Enumerable.Range(0, MostImages).Select(i => (int)((long)i * images.Count / MostImages)));

    /// <summary>Runs both over the images.</summary>
    /// <exception cref="InputException">The network's logits are not finite.</exception>
    public static OnnxAgreement Compare(byte[] model, DeployedModel deployed, PixelType input, ImageSet images)
    {
        var expected = Predictions.Of(deployed.Network, images, BatchSize);
        EvaluationInputs.Check(images, expected);
        var scores = deployed.Score.Reference.Of(expected);
        using var session = new OnnxSession(model);
        var agreement = new OnnxAgreement(images.Count, 0, 0, 0, 0);
        foreach (var chosen in Enumerable.Range(0, images.Count).Chunk(BatchSize))
        {
            var outputs = session.Run(images.Select(chosen), input);
            agreement = agreement with
            {
                Logits = Math.Max(agreement.Logits, Largest(outputs.Logits, chosen.SelectMany(image => Doubles(expected.Auxiliary[image])))),
                Probabilities = Math.Max(
                    agreement.Probabilities, Largest(outputs.Probabilities, chosen.SelectMany(image => Softmax(expected.Auxiliary[image])))),
                Scores = Math.Max(agreement.Scores, Largest(outputs.Scores, chosen.Select(image => scores[image]))),
                Decisions = agreement.Decisions + OtherDecisions(outputs, [.. chosen.Select(image => scores[image])], deployed),
            };
        }

        return agreement;
    }

    private static double Largest(float[] actual, IEnumerable<double> expected) =>
        actual.Zip(expected).Max(pair => Difference(pair.First, pair.Second));

    // A value that is not a number differs by infinity.
    private static double Difference(double actual, double expected) =>
        Math.Abs(actual - expected) / Math.Max(1, Math.Abs(expected)) is var difference && double.IsNaN(difference) ? double.PositiveInfinity : difference;

    private static int OtherDecisions(OnnxOutputs outputs, double[] scores, DeployedModel deployed) => outputs.Accepted is not { } accepted
        ? 0
        : accepted.Zip(scores).Count(pair =>
            pair.First != (pair.Second <= deployed.Calibration!.Threshold)
            && Difference(pair.Second, deployed.Calibration.Threshold) > OnnxAgreement.Allowed);

    private static double[] Doubles(ReadOnlySpan<float> row) => Array.ConvertAll(row.ToArray(), value => (double)value);

    private static IEnumerable<double> Softmax(ReadOnlySpan<float> row)
    {
        var largest = (double)row[Logits.IndexOfMaximum(row)];
        var exponentials = Array.ConvertAll(row.ToArray(), logit => Math.Exp(logit - largest));
        var total = exponentials.Sum();
        return exponentials.Select(value => value / total);
    }
}
