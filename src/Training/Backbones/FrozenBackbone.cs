using System.Collections.Concurrent;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Pascl.Training.Data;

namespace Pascl.Training.Backbones;

/// <summary>
/// A published model that is run as it is, by ONNX Runtime on the CPU. Every image goes through it alone and on one thread, so that its features are the same bits
/// whatever stands beside it and however many threads there are; several images go through at one time, one on each core. So a model that was exported for one image
/// does as well as one for any batch.
/// </summary>
internal sealed class FrozenBackbone : IDisposable
{
    private readonly InferenceSession session;
    private readonly BackboneGraph graph;
    private readonly (float Scale, float[] Mean, float[] Deviation) normalisation;
    private readonly ConcurrentBag<float[]> buffers = [];
    private readonly RunOptions runOptions = new();

    private FrozenBackbone(InferenceSession session, BackboneGraph graph, BackboneSettings settings)
    {
        (this.session, this.graph, Settings) = (session, graph, settings);
        normalisation = settings.Normalisation();
    }

    /// <summary>The settings with what the file says: hash, output, size.</summary>
    public BackboneSettings Settings { get; }

    /// <summary>Rows and columns of the images.</summary>
    public int ImageSize => graph.ImageSize;

    /// <summary>F, the number of features of an image.</summary>
    public int FeatureCount => graph.FeatureCount;

    /// <summary>Numbers of an image: features, and logits where the settings name an output of them.</summary>
    public int RowWidth => graph.FeatureCount + graph.LogitCount;

    /// <summary>What the model takes and gives.</summary>
    public BackboneGraph Graph => graph;

    /// <summary>Opens a model and runs it on a grey image.</summary>
    /// <param name="settings">The file, and what was found in it before; it must still be so.</param>
    /// <exception cref="InputException">There is no such file, it is another one than before, or no model of images to features.</exception>
    public static FrozenBackbone Open(BackboneSettings settings)
    {
        var path = settings.Path!;
        var model = BackboneFile.Read(path);
        var hash = BackboneFile.Sha256(path, model);
        if (settings.Sha256 is { } before && before != hash)
        {
            throw new InputException(
                $"The backbone {path} is another model than the run was trained on: its SHA-256 is {hash}, but that of the run's is {before}. "
                + "Name the file of the training with --backbone.");
        }

        var session = Load(path);
        try
        {
            var graph = BackboneGraph.Of(session, settings, path);
            return new FrozenBackbone(session, graph, settings with { Sha256 = hash, Output = graph.Output, ImageSize = graph.ImageSize });
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>What a model gives for an image, which shows when it runs on a grey one.</summary>
    /// <exception cref="InputException">It is no model of images.</exception>
    public static IReadOnlyList<BackboneOutput> OutputsOf(BackboneSettings settings)
    {
        _ = BackboneFile.Read(settings.Path!);
        using var session = Load(settings.Path!);
        return BackboneGraph.OutputsOf(session, settings, settings.Path!);
    }

    /// <summary>Computes the features of an image; several threads may at one time.</summary>
    /// <param name="image">(ImageSize, ImageSize, 3) in [0, 1], red first.</param>
    /// <param name="features">Receives <see cref="RowWidth"/> numbers: features, then logits.</param>
    /// <returns>Whether all of them are finite.</returns>
    public bool Compute(ReadOnlySpan<float> image, Span<float> features)
    {
        var pixels = buffers.TryTake(out var used) ? used : new float[graph.ImageSize * graph.ImageSize * PixelBlock.Channels];
        Normalise(image, pixels);
        using (var input = OrtValue.CreateTensorValueFromMemory(pixels, graph.InputShape))
        using (var results = session.Run(runOptions, [graph.Input], [input], graph.Outputs))
        {
            graph.Pool(results[0].GetTensorDataAsSpan<float>(), features);
            if (graph.LogitCount > 0)
            {
                results[1].GetTensorDataAsSpan<float>().CopyTo(features[graph.FeatureCount..]);
            }
        }

        buffers.Add(pixels);
        foreach (var feature in features)
        {
            if (!float.IsFinite(feature))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>What is said where an image has features that are not finite.</summary>
    /// <param name="image">The image.</param>
    public InputException NotFinite(string image) => new(
        $"The backbone {Settings.Path} gives features that are not finite for {image}, so that nothing can be trained on them. "
        + "See whether its input is described rightly (--backbone-input, --backbone-range), or export it in float32.");

    /// <inheritdoc/>
    public void Dispose()
    {
        runOptions.Dispose();
        session.Dispose();
    }

    private static InferenceSession Load(string path)
    {
        try
        {
            return OnnxRuntime.Load(() =>
            {
                // Images are what runs in parallel.
                using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
                return new InferenceSession(path, options);
            });
        }
        catch (OnnxRuntimeException exception)
        {
            throw new InputException($"ONNX Runtime cannot load the backbone {path}: {BackboneGraph.FirstLine(exception)}. Export it anew, with operators of ONNX alone.", exception);
        }
    }

    private void Normalise(ReadOnlySpan<float> image, Span<float> pixels)
    {
        var (scale, mean, deviation) = normalisation;
        var plane = graph.ImageSize * graph.ImageSize;
        var (step, next) = graph.ChannelsLast ? (PixelBlock.Channels, 1) : (1, plane);
        for (var channel = 0; channel < PixelBlock.Channels; channel++)
        {
            var from = Settings.Channels == ChannelOrder.Rgb ? channel : PixelBlock.Channels - 1 - channel;
            for (var pixel = 0; pixel < plane; pixel++)
            {
                pixels[(pixel * step) + (channel * next)] = ((image[(pixel * PixelBlock.Channels) + from] * scale) - mean[channel]) / deviation[channel];
            }
        }
    }
}

/// <summary>How an output becomes features.</summary>
internal enum FeatureReading
{
    /// <summary>(1, F): as it is.</summary>
    Row,

    /// <summary>(1, T, F): the first token, which is the class token of a ViT.</summary>
    ClassToken,

    /// <summary>(1, F, h, w): the mean over the image.</summary>
    Map,
}

/// <summary>What a model takes and gives: one image in, features out.</summary>
/// <param name="Input">Name of the input.</param>
/// <param name="Output">Name of the output that has the features.</param>
/// <param name="ImageSize">Rows and columns.</param>
/// <param name="ChannelsLast">Whether the input is (1, H, W, 3).</param>
/// <param name="Reading">How the output becomes features.</param>
/// <param name="FeatureCount">F.</param>
internal sealed record BackboneGraph(string Input, string Output, int ImageSize, bool ChannelsLast, FeatureReading Reading, int FeatureCount)
{
    private const int UsualSize = 224;
    private const int Rank = 4;

    /// <summary>The output that has the logits beside the features; null for none.</summary>
    public string? LogitsOutput { get; private init; }

    /// <summary>How many logits it has; 0 for none.</summary>
    public int LogitCount { get; private init; }

    /// <summary>The outputs that are computed.</summary>
    public string[] Outputs => LogitsOutput is null ? [Output] : [Output, LogitsOutput];

    private const string Expected = "expected one input of float32, (batch, 3, height, width) or (batch, height, width, 3)";

    /// <summary>Shape of one image.</summary>
    public long[] InputShape => ChannelsLast ? [1, ImageSize, ImageSize, PixelBlock.Channels] : [1, PixelBlock.Channels, ImageSize, ImageSize];

    /// <summary>What is done, for people.</summary>
    public string Description => Reading switch
    {
        FeatureReading.Row => $"{FeatureCount} features, the output {Output}",
        FeatureReading.ClassToken => $"{FeatureCount} features, the class token (the first) of the output {Output}",
        _ => $"{FeatureCount} features, the mean over the image of the output {Output}",
    };

    /// <summary>Finds it out from the file where that says it, else from the settings and by running it.</summary>
    /// <exception cref="InputException">It is no model of images to features.</exception>
    public static BackboneGraph Of(InferenceSession session, BackboneSettings settings, string path) => InputOf(session, settings, path).WithOutput(session, settings, path);

    /// <summary>Every output, of one image.</summary>
    /// <exception cref="InputException">It is no model of images.</exception>
    public static IReadOnlyList<BackboneOutput> OutputsOf(InferenceSession session, BackboneSettings settings, string path) =>
        InputOf(session, settings, path).Run(session, [.. session.OutputNames], path);

    private static BackboneGraph InputOf(InferenceSession session, BackboneSettings settings, string path)
    {
        var inputs = session.InputMetadata;
        if (inputs.Count != 1)
        {
            throw new InputException(
                $"The backbone {path} takes {inputs.Count} inputs ({string.Join(", ", inputs.Select(input => $"{input.Key} {Shape(input.Value.Dimensions)}"))}); {Expected}. "
                + "Export the part for images alone, as CLIP's image tower.");
        }

        var (name, metadata) = inputs.Single();
        var dimensions = metadata.Dimensions;
        if (!metadata.IsTensor || metadata.ElementDataType != TensorElementType.Float || dimensions.Length != Rank)
        {
            throw new InputException($"The backbone {path} takes {name} of {metadata.ElementDataType}, {Shape(dimensions)}; {Expected}.");
        }

        var isLast = dimensions[1] != PixelBlock.Channels && dimensions[3] == PixelBlock.Channels;
        var (channels, height, width) = isLast ? (dimensions[3], dimensions[1], dimensions[2]) : (dimensions[1], dimensions[2], dimensions[3]);
        if (channels is not (-1 or PixelBlock.Channels) || dimensions[0] is not (1 or -1) || (height > 0 && width > 0 && height != width))
        {
            throw new InputException($"The backbone {path} takes {name}, {Shape(dimensions)}; {Expected}, with a batch of 1 or any, of square images.");
        }

        int? fixedSize = Math.Max(height, width) > 0 ? Math.Max(height, width) : null;
        if (fixedSize is { } only && settings.ImageSize is { } asked && asked != only)
        {
            throw new InputException($"The backbone {path} takes images of {only} x {only} pixels alone, but {asked} are asked for; leave --image-size out, or export it for that size.");
        }

        return new BackboneGraph(name, "", fixedSize ?? settings.ImageSize ?? UsualSize, isLast, FeatureReading.Row, 0);
    }

    /// <summary>Makes features of an output's values.</summary>
    public void Pool(ReadOnlySpan<float> values, Span<float> features)
    {
        if (Reading != FeatureReading.Map)
        {
            values[..FeatureCount].CopyTo(features);
            return;
        }

        var places = values.Length / FeatureCount;
        for (var feature = 0; feature < FeatureCount; feature++)
        {
            var sum = 0.0;
            foreach (var value in values.Slice(feature * places, places))
            {
                sum += value;
            }

            features[feature] = (float)(sum / places);
        }
    }

    /// <summary>ONNX Runtime's words without its code, its place and its end.</summary>
    public static string FirstLine(OnnxRuntimeException exception)
    {
        var line = exception.Message.Split('\n', 2)[0].Trim();
        return (line.LastIndexOf("] ", StringComparison.Ordinal) is >= 0 and var code ? line[(code + 2)..] : line).TrimEnd('.');
    }

    private BackboneGraph WithOutput(InferenceSession session, BackboneSettings settings, string path)
    {
        string[] names = settings.Output is null ? [.. session.OutputNames] : [settings.Output];
        if (settings.Output is { } named && !session.OutputNames.Contains(named))
        {
            throw new InputException($"The backbone {path} has no output {named}; it has {string.Join(", ", session.OutputNames)}. Choose one with --backbone-output.");
        }

        var outputs = Run(session, names, path);
        var chosen = Choose(outputs) ?? throw new InputException(
            settings.Output is null
                ? $"The backbone {path} has the outputs {string.Join(", ", outputs.Select(output => output.Description))}; name the one with the features with --backbone-output."
                : $"The output {outputs[0].Description} of the backbone {path} has no features of one image; expected float32, (1, features), (1, tokens, features) or (1, features, rows, columns).");
        return this with
        {
            Output = chosen.Name,
            Reading = chosen.Reading,
            FeatureCount = chosen.FeatureCount,
            LogitsOutput = settings.LogitsOutput,
            LogitCount = settings.LogitsOutput is { } logits ? Run(session, [logits], path)[0].FeatureCount : 0,
        };
    }

    // The file may not say the shapes of its outputs; an image does.
    private BackboneOutput[] Run(InferenceSession session, string[] names, string path)
    {
        var grey = new float[ImageSize * ImageSize * PixelBlock.Channels];
        Array.Fill(grey, 0.5f);
        using var input = OrtValue.CreateTensorValueFromMemory(grey, InputShape);
        using var options = new RunOptions();
        try
        {
            using var results = session.Run(options, [Input], [input], names);
            return [.. names.Select((name, i) => BackboneOutput.Of(name, results[i].GetTensorTypeAndShape()))];
        }
        catch (OnnxRuntimeException exception)
        {
            throw new InputException(
                $"The backbone {path} cannot compute an image of {ImageSize} x {ImageSize} pixels: {FirstLine(exception)}. Choose the size that it was trained on with --image-size.",
                exception);
        }
    }

    // One value for each feature is what models end with, tokens and maps what they have inside.
    private static BackboneOutput? Choose(BackboneOutput[] outputs)
    {
        var usable = Array.FindAll(outputs, output => output.FeatureCount > 0);
        var rows = Array.FindAll(usable, output => output.Reading == FeatureReading.Row);
        return usable.Length == 1 ? usable[0] : rows.Length == 1 ? rows[0] : null;
    }

    private static string Shape(IEnumerable<int> dimensions) => $"({string.Join(", ", dimensions.Select(length => length < 0 ? "any" : $"{length}"))})";
}

/// <summary>An output of a model for one image.</summary>
internal sealed record BackboneOutput(string Name, string Description, FeatureReading Reading, int FeatureCount)
{
    public static BackboneOutput Of(string name, OrtTensorTypeAndShapeInfo info)
    {
        var shape = info.Shape;
        var (reading, count) = (info.ElementDataType, shape) switch
        {
            (TensorElementType.Float, [1, var features]) => (FeatureReading.Row, features),
            (TensorElementType.Float, [1, var features, 1, 1]) => (FeatureReading.Row, features),
            (TensorElementType.Float, [1, > 0, var features]) => (FeatureReading.ClassToken, features),
            (TensorElementType.Float, [1, var features, > 0, > 0]) => (FeatureReading.Map, features),
            _ => (FeatureReading.Row, 0),
        };
        return new(name, $"{name} {info.ElementDataType} ({string.Join(", ", shape)})", reading, (int)count);
    }
}
