using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Onnx;

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

    /// <summary>The strings in the model.</summary>
    public IReadOnlyDictionary<string, string> Metadata => session.ModelMetadata.CustomMetadataMap;

    /// <summary>The outputs by name, in their order.</summary>
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
