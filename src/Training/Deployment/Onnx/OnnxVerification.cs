using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Compares an exported model with the network that it came from, image by image.</summary>
internal static class OnnxVerification
{
    /// <summary>Images that are compared where there are so many.</summary>
    public const int MostImages = 2000;

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
        var scores = deployed.Score.Of(expected);
        using var session = new OnnxSession(model);
        var agreement = new OnnxAgreement(images.Count, 0, 0, 0, 0);
        foreach (var chosen in Enumerable.Range(0, images.Count).Chunk(BatchSize))
        {
            var outputs = session.Run(images.Select(chosen), input);
            agreement = agreement with
            {
                Logits = Math.Max(agreement.Logits, Largest(outputs.Logits, chosen.SelectMany(image => Doubles(expected.Auxiliary[image])))),
                Probabilities = Math.Max(
                    agreement.Probabilities, Largest(outputs.Probabilities, chosen.SelectMany(image => Softmax.Of(expected.Auxiliary[image])))),
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
            pair.First != (pair.Second <= deployed.Threshold!.Value)
            && Difference(pair.Second, deployed.Threshold.Value) > OnnxAgreement.Allowed);

    private static double[] Doubles(ReadOnlySpan<float> row) => Array.ConvertAll(row.ToArray(), value => (double)value);
}

/// <summary>Runs an exported model by ONNX Runtime, knowing nothing of the network that it came from.</summary>
internal sealed class OnnxSession : IDisposable
{
    private readonly InferenceSession session;
    private readonly string[] outputs;

    /// <summary>Loads a model.</summary>
    /// <exception cref="InputException">ONNX Runtime's library is not beside the program.</exception>
    public OnnxSession(byte[] model)
    {
        try
        {
            session = new InferenceSession(model);
        }
        catch (Exception exception) when (exception.GetBaseException() is DllNotFoundException)
        {
            throw new InputException(
                "ONNX Runtime's library (libonnxruntime.so) is not beside this program, and an ONNX file is written only when it was verified. "
                + "Export with a build that has it.", exception);
        }

        outputs = [.. session.OutputMetadata.Keys];
    }

    public IReadOnlyDictionary<string, string> Metadata => session.ModelMetadata.CustomMetadataMap;

    public IReadOnlyList<string> Outputs => outputs;

    /// <summary>What the model says about images.</summary>
    public OnnxOutputs Run(ImageSet images, PixelType input)
    {
        long[] shape = [images.Count, PixelBlock.Channels, images.Height, images.Width];
        var planes = Planes(images);
        using var pixels = input == PixelType.UInt8
            ? OrtValue.CreateTensorValueFromMemory(planes, shape)
            : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(planes, value => value / (float)byte.MaxValue), shape);
        using var options = new RunOptions();
        using var results = session.Run(options, [OnnxModel.Images], [pixels], outputs);
        var accepted = Array.IndexOf(outputs, OnnxModel.Accepted);
        return new OnnxOutputs(
            Floats(OnnxModel.Logits),
            Floats(OnnxModel.Probabilities),
            Floats(OnnxModel.Score),
            accepted < 0 ? null : results[accepted].GetTensorDataAsSpan<bool>().ToArray());

        float[] Floats(string name) => results[Array.IndexOf(outputs, name)].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <inheritdoc/>
    public void Dispose() => session.Dispose();

    // (N, H, W, 3) -> (N, 3, H, W)
    private static byte[] Planes(ImageSet images)
    {
        var plane = images.Height * images.Width;
        var planes = new byte[images.Count * PixelBlock.Channels * plane];
        for (var image = 0; image < images.Count; image++)
        {
            var pixels = images.Pixels(image);
            var target = planes.AsSpan(image * pixels.Length, pixels.Length);
            for (var i = 0; i < pixels.Length; i++)
            {
                target[(i % PixelBlock.Channels * plane) + (i / PixelBlock.Channels)] = pixels[i];
            }
        }

        return planes;
    }
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
}
