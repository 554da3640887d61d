using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Runs a model of ours by ONNX Runtime on the CPU, knowing nothing of the network that it came from. Several threads may at one time.</summary>
internal sealed class OnnxSession : IDisposable
{
    private readonly InferenceSession session;
    private readonly string[] outputs;

    /// <summary>Loads a model.</summary>
    /// <param name="model">The bytes of the file.</param>
    /// <param name="threads">Threads that share the work of one batch; 0 for one on each core.</param>
    /// <param name="optimisedFile">Where ONNX Runtime writes the graph that it will run, with its own operators in the place of those that it fused; null for nowhere.</param>
    /// <exception cref="InputException">ONNX Runtime's library is not beside the program.</exception>
    public OnnxSession(byte[] model, int threads = 0, string? optimisedFile = null)
    {
        try
        {
            using var options = new SessionOptions { IntraOpNumThreads = threads };
            if (optimisedFile is not null)
            {
                // The graph is then also said to fit this machine alone.
                (options.OptimizedModelFilePath, options.LogSeverityLevel) = (optimisedFile, OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            }

            session = new InferenceSession(model, options);
        }
        catch (Exception exception) when (exception.GetBaseException() is DllNotFoundException)
        {
            throw new InputException("ONNX Runtime's library (libonnxruntime.so) is not beside this program. Use a build that has it; without it no ONNX file can be verified, nor run.", exception);
        }

        outputs = [.. session.OutputMetadata.Keys];
    }

    public IReadOnlyDictionary<string, string> Metadata => session.ModelMetadata.CustomMetadataMap;

    public IReadOnlyList<string> Outputs => outputs;

    /// <summary>What a deployed model says about images.</summary>
    public OnnxOutputs Run(ImageSet images, PixelType input)
    {
        using var results = RunAll(images, input);
        var accepted = Array.IndexOf(outputs, OnnxModel.Accepted);
        return new OnnxOutputs(
            Floats(OnnxModel.Logits),
            Floats(OnnxModel.Probabilities),
            Floats(OnnxModel.Score),
            accepted < 0 ? null : results[accepted].GetTensorDataAsSpan<bool>().ToArray());

        float[] Floats(string name) => results[Array.IndexOf(outputs, name)].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Every output of float32 in turn, in the order of <see cref="Outputs"/>; what it is given is gone afterwards.</summary>
    public void Run(ImageSet images, PixelType input, ReadOutput read)
    {
        using var results = RunAll(images, input);
        for (var i = 0; i < outputs.Length; i++)
        {
            read(outputs[i], results[i].GetTensorDataAsSpan<float>());
        }
    }

    /// <inheritdoc/>
    public void Dispose() => session.Dispose();

    private IDisposableReadOnlyCollection<OrtValue> RunAll(ImageSet images, PixelType input)
    {
        long[] shape = input == PixelType.Picture
            ? [images.Count, images.Height, images.Width, PixelBlock.Channels]
            : [images.Count, PixelBlock.Channels, images.Height, images.Width];
        var planes = input == PixelType.Picture ? [.. Enumerable.Range(0, images.Count).SelectMany(image => images.Pixels(image).ToArray())] : Planes(images);
        using var pixels = input != PixelType.Float
            ? OrtValue.CreateTensorValueFromMemory(planes, shape)
            : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(planes, value => value / (float)byte.MaxValue), shape);
        using var options = new RunOptions();
        return session.Run(options, [OnnxModel.Images], [pixels], outputs);
    }

    // (N, H, W, 3) -> (N, 3, H, W)
    private static byte[] Planes(ImageSet images)
    {
        var plane = images.Height * images.Width;
        var planes = new byte[images.Count * PixelBlock.Channels * plane];
        for (var image = 0; image < images.Count; image++)
        {
            var pixels = images.Pixels(image);
            var target = planes.AsSpan(image * pixels.Length, pixels.Length);
            for (var channel = 0; channel < PixelBlock.Channels; channel++)
            {
                for (var i = 0; i < plane; i++)
                {
                    target[(channel * plane) + i] = pixels[(i * PixelBlock.Channels) + channel];
                }
            }
        }

        return planes;
    }
}

/// <summary>Receives an output of a model.</summary>
/// <param name="name">Its name.</param>
/// <param name="values">Its values, row-major.</param>
internal delegate void ReadOutput(string name, ReadOnlySpan<float> values);
