using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;

namespace Pascl.Training.Backbones;

/// <summary>
/// A published model as an ONNX file, frozen: which file, which of its outputs are the features, and what it wants its images to be like. What the file says itself
/// (<see cref="Sha256"/>, <see cref="ImageSize"/>, and <see cref="Output"/> where nobody names it) is filled in when it is first read, and is held against the file
/// from then on.
/// </summary>
public sealed record BackboneSettings
{
    /// <summary>The ONNX file; null for a network of Pascl's own.</summary>
    public string? Path { get; init; }

    /// <summary>SHA-256 of the file, and of the files that hold weights for it, in hexadecimal; null before it was read.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Name of the output that has the features; null for the obvious one.</summary>
    public string? Output { get; init; }

    /// <summary>Name of an output that has logits, which are computed with the features; null for none, as in every run.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LogitsOutput { get; init; }

    /// <summary>Rows and columns of the images; null before the file was read.</summary>
    public int? ImageSize { get; init; }

    /// <summary>What is subtracted from the channels and what divides them, by the name of those who trained the model.</summary>
    public BackboneInput Input { get; init; } = BackboneInput.ImageNet;

    /// <summary>What is subtracted, in the order of the model's channels and in the units of <see cref="Range"/>; empty for what <see cref="Input"/> says.</summary>
    public IReadOnlyList<double> Mean { get; init; } = [];

    /// <summary>What divides, likewise.</summary>
    public IReadOnlyList<double> StandardDeviation { get; init; } = [];

    /// <summary>The order of the model's channels.</summary>
    public ChannelOrder Channels { get; init; } = ChannelOrder.Rgb;

    /// <summary>The range of a pixel before the mean is subtracted.</summary>
    public PixelRange Range { get; init; } = PixelRange.Unit;

    /// <summary>Augmented views of an image that training draws from.</summary>
    public int Views { get; init; } = 4;

    /// <summary>Folder where features are kept; null for that of the user.</summary>
    public string? Cache { get; init; }

    /// <summary>How far a channel is from the number that enters the model: (x * <c>Scale</c> - <c>Mean</c>) / <c>Deviation</c> with x in [0, 1].</summary>
    internal (float Scale, float[] Mean, float[] Deviation) Normalisation()
    {
        // Constants by name are in [0, 1] and red first.
        var scale = Range == PixelRange.Unit ? 1f : byte.MaxValue;
        var (mean, deviation) = Input switch
        {
            BackboneInput.Clip => ([0.48145466f, 0.4578275f, 0.40821073f], [0.26862954f, 0.26130258f, 0.27577711f]),
            BackboneInput.Half => ([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]),
            BackboneInput.None => ([0f, 0f, 0f], [1 / scale, 1 / scale, 1 / scale]),
            _ => ((float[])[0.485f, 0.456f, 0.406f], (float[])[0.229f, 0.224f, 0.225f]),
        };
        return (scale, Given(Mean) ?? InOrder(mean), Given(StandardDeviation) ?? InOrder(deviation));

        static float[]? Given(IReadOnlyList<double> values) => values.Count == 0 ? null : [.. values.Select(value => (float)value)];

        float[] InOrder(float[] values) => Array.ConvertAll(Channels == ChannelOrder.Rgb ? values : [.. values.Reverse()], value => value * scale);
    }
}

/// <summary>What published models were trained with.</summary>
public enum BackboneInput
{
    /// <summary>Mean (0.485, 0.456, 0.406), standard deviation (0.229, 0.224, 0.225): torchvision's models, most of timm's.</summary>
    [JsonStringEnumMemberName("imagenet")]
    ImageNet,

    /// <summary>DINOv2, which takes ImageNet's numbers.</summary>
    [JsonStringEnumMemberName("dinov2")]
    DinoV2,

    /// <summary>Mean (0.48145466, 0.4578275, 0.40821073), standard deviation (0.26862954, 0.26130258, 0.27577711): CLIP (openai/CLIP, clip.py).</summary>
    Clip,

    /// <summary>Mean and standard deviation 0.5: the ViTs of Google, SigLIP.</summary>
    Half,

    /// <summary>Pixels as they are in <see cref="PixelRange"/>.</summary>
    None,
}

/// <summary>The order of a model's channels.</summary>
public enum ChannelOrder
{
    /// <summary>Red, green, blue.</summary>
    Rgb,

    /// <summary>Blue, green, red: models that were trained with OpenCV, Caffe or CNTK.</summary>
    Bgr,
}

/// <summary>The range of a pixel.</summary>
public enum PixelRange
{
    /// <summary>[0, 1].</summary>
    Unit,

    /// <summary>[0, 255].</summary>
    Bytes,
}

/// <summary>The file of a backbone: the model in it, and what tells it from others.</summary>
internal static class BackboneFile
{
    private const string Location = "location";

    /// <summary>Parses the file.</summary>
    /// <exception cref="InputException">There is none, it cannot be read, or it holds no ONNX model.</exception>
    public static ModelProto Read(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var model = ModelProto.Parser.ParseFrom(stream);
            return model.Graph is { Node.Count: > 0 } ? model : throw NoModel(path);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw NoModel(path, exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The backbone {path} cannot be read: {exception.Message.TrimEnd('.')}. Name an ONNX file with --backbone.", exception);
        }
    }

    /// <summary>The SHA-256 of the file and, in the order of their names, of the files beside it that hold weights (ONNX's external data), in hexadecimal.</summary>
    /// <exception cref="InputException">One of them is missing.</exception>
    public static string Sha256(string path, ModelProto model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(path);
        foreach (var name in ExternalFiles(model))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            Append(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(string file)
        {
            try
            {
                using var stream = File.OpenRead(file);
                var buffer = new byte[1 << 20];
                while (stream.Read(buffer) is > 0 and var read)
                {
                    hash.AppendData(buffer.AsSpan(0, read));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InputException(
                    $"{file}, which the backbone {path} keeps its weights in, cannot be read: {exception.Message.TrimEnd('.')}. Put it beside the ONNX file.", exception);
            }
        }
    }

    /// <summary>The files beside the model that hold its weights, by name.</summary>
    public static IReadOnlyList<string> ExternalFiles(ModelProto model) =>
    [
        .. model.Graph.Initializer.SelectMany(tensor => tensor.ExternalData).Where(entry => entry.Key == Location).Select(entry => entry.Value)
            .Distinct().Order(StringComparer.Ordinal),
    ];

    private static InputException NoModel(string path, Exception? exception = null) =>
        new($"The backbone {path} is no ONNX model; export one (see docs/backbones.md) and name its .onnx file with --backbone.", exception!);
}

/// <summary>
/// ONNX Runtime as every part of this program loads it. From version 1.29 on its builds for Linux send what is run, and on which machine, to their maker, and keep an identifier in the cache
/// folder, unless a variable says otherwise before it begins (microsoft/onnxruntime, pull request 27379); so the variable is set here. A user who sets it is heard.
/// </summary>
internal static partial class OnnxRuntime
{
    /// <summary>The variable; 1 where nothing is to be sent.</summary>
    public const string TelemetryVariable = "ORT_DISABLE_TELEMETRY";

    // .NET keeps variables of its own; native code sees only those of the C library.
    static OnnxRuntime()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Set(TelemetryVariable, "1", overwrite: 0);
        }
    }

    /// <summary>Its version, on which the last digits of what it computes depend.</summary>
    public static string Version => OrtEnv.Instance().GetVersionString();

    /// <summary>Loads a model.</summary>
    /// <param name="load">Makes the session.</param>
    /// <exception cref="InputException">ONNX Runtime's library is not beside the program.</exception>
    public static InferenceSession Load(Func<InferenceSession> load)
    {
        try
        {
            return load();
        }
        catch (Exception exception) when (exception.GetBaseException() is DllNotFoundException)
        {
            throw new InputException(
                "ONNX Runtime's library (libonnxruntime.so) is not beside this program, and no ONNX file is run or verified without it. Use a build that has it.", exception);
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(string name, string value, int overwrite);
}
