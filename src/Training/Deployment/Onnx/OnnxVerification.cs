using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Compares an exported model with the network that it came from, image by image.</summary>
internal static class OnnxVerification
{
    /// <summary>Images that are compared where there are so many.</summary>
    public const int MostImages = 2000;

    public const int BatchSize = 128;

    /// <summary>At most so many images, spread evenly, because sets are often sorted by class.</summary>
    public static ImageSet Choose(ImageSet images, int most = MostImages) => images.Count <= most
        ? images
        : images.Select(Enumerable.Range(0, most).Select(i => (int)((long)i * images.Count / most)));

    /// <summary>
    /// Runs both over the images. For a model that prepares pictures itself every image is a picture that becomes a square first, and drawn ones follow that are larger, smaller
    /// and no squares.
    /// </summary>
    /// <exception cref="InputException">The network's logits are not finite.</exception>
    public static OnnxAgreement Compare(byte[] model, DeployedModel deployed, PixelType input, ImageSet images)
    {
        using var session = new OnnxSession(model);
        var agreement = new OnnxAgreement(0, 0, 0, 0, 0);
        foreach (var given in Batches(deployed, input, images))
        {
            var squares = input == PixelType.Picture ? Squares(given, deployed) : given;
            var expected = Predictions.Of(deployed.Network, squares, BatchSize);
            expected.Check(squares);
            var scores = deployed.Score.Of(squares, expected);
            var outputs = session.Run(given, input);
            var all = Enumerable.Range(0, given.Count);
            agreement = new OnnxAgreement(
                agreement.Images + given.Count,
                Math.Max(agreement.Logits, Largest(outputs.Logits, all.SelectMany(image => Doubles(expected.Auxiliary[image])))),
                Math.Max(agreement.Probabilities, Largest(outputs.Probabilities, all.SelectMany(image => Softmax.Of(expected.Auxiliary[image])))),
                Math.Max(agreement.Scores, Largest(outputs.Scores, scores)),
                agreement.Decisions + OtherDecisions(outputs, scores, deployed));
        }

        return agreement;
    }

    private static IEnumerable<ImageSet> Batches(DeployedModel deployed, PixelType input, ImageSet images)
    {
        foreach (var chosen in Enumerable.Range(0, images.Count).Chunk(BatchSize))
        {
            yield return images.Select(chosen);
        }

        if (input == PixelType.Picture)
        {
            foreach (var (width, height) in OnnxExamples.PictureSizes(deployed.ImageSize))
            {
                var picture = new PixelBlock(1, height, width);
                OnnxExamples.Draw(picture.Writable(0), width);
                yield return new ImageSet($"a drawn picture of {width} x {height} pixels", picture, [ImageSet.NoClass], []);
            }
        }
    }

    private static ImageSet Squares(ImageSet pictures, DeployedModel deployed)
    {
        var squares = new PixelBlock(pictures.Count, deployed.ImageSize, deployed.ImageSize);
        using var decoder = new ImageDecoder();
        for (var i = 0; i < pictures.Count; i++)
        {
            decoder.Fit(pictures.Pixels(i), pictures.Width, pictures.Height, squares.Writable(i), deployed.ImageSize, deployed.Geometry);
        }

        return new ImageSet(pictures.Name, squares, [.. pictures.Labels], pictures.ClassNames);
    }

    private static double Largest(float[] actual, IEnumerable<double> expected) =>
        actual.Zip(expected).Max(pair => OnnxAgreement.Difference(pair.First, pair.Second));

    private static int OtherDecisions(OnnxOutputs outputs, double[] scores, DeployedModel deployed) => outputs.Accepted is not { } accepted
        ? 0
        : accepted.Zip(scores).Count(pair =>
            pair.First != (pair.Second <= deployed.Threshold!.Value)
            && OnnxAgreement.Difference(pair.Second, deployed.Threshold.Value) > OnnxAgreement.Allowed);

    private static double[] Doubles(ReadOnlySpan<float> row) => Array.ConvertAll(row.ToArray(), value => (double)value);
}

/// <summary>
/// How far an exported model is from the network it came from: the largest |a - b| / max(1, |b|) over all images, with b by torch in float32 and its softmax
/// and score in double.
/// </summary>
/// <param name="Images">Images that were compared.</param>
/// <param name="Logits">Largest difference of the logits.</param>
/// <param name="Probabilities">Largest difference of the probabilities.</param>
/// <param name="Scores">Largest difference of the scores.</param>
/// <param name="Decisions">
/// Images that one accepts and the other rejects. The score of such an image may lie so near to the threshold that the allowed difference decides; those are
/// not counted.
/// </param>
internal sealed record OnnxAgreement(int Images, double Logits, double Probabilities, double Scores, int Decisions)
{
    public const double Allowed = 1e-4;

    public double Largest => Math.Max(Logits, Math.Max(Probabilities, Scores));

    /// <summary>Whether the exported model may be used in the network's place.</summary>
    public bool Holds => Largest <= Allowed && Decisions == 0;

    /// <summary>|a - b| / max(1, |b|); infinite where one is not a number.</summary>
    public static double Difference(double actual, double expected) =>
        Math.Abs(actual - expected) / Math.Max(1, Math.Abs(expected)) is var difference && double.IsNaN(difference) ? double.PositiveInfinity : difference;
}
