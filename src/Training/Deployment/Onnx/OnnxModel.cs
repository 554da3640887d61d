using System.Globalization;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Networks;
using DataType = Pascl.Training.Backbones.TensorProto.Types.DataType;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>
/// The deployed model as one ONNX graph: images go through the branches that class and score are read from; the class is the auxiliary branch's, the score that of the
/// main branch for most methods. Each branch has convolutions of its own, because its BatchNorm is folded into them. Format: https://github.com/onnx/onnx/blob/main/docs/IR.md.
/// </summary>
internal static class OnnxModel
{
    /// <summary>The version of the operators.</summary>
    public const int OperatorSet = 17;

    /// <summary>(N, 3, H, W): the input. (N, H, W, 3) where the graph prepares pictures itself.</summary>
    public const string Images = "images";

    /// <summary>(N, C): the logits of the classes by the auxiliary branch.</summary>
    public const string Logits = "logits";

    /// <summary>(N, C): their softmax.</summary>
    public const string Probabilities = "probabilities";

    /// <summary>(N): the out-of-distribution score.</summary>
    public const string Score = "ood_score";

    /// <summary>(N): whether the score is at most the threshold.</summary>
    public const string Accepted = "accepted";

    /// <summary>The metadata that say who resizes, crops and normalises: <see cref="InGraph"/> or <see cref="Outside"/>.</summary>
    public const string Preprocessing = "preprocess";

    /// <summary>The graph itself, from pictures of any size.</summary>
    public const string InGraph = "in-graph";

    /// <summary>Whoever runs the model.</summary>
    public const string Outside = "outside";

    /// <summary>Name of the first dimension of everything.</summary>
    public const string Batch = "batch";

    // The version of the file format that came with operator set 17.
    private const int FormatVersion = 8;
    private const string Producer = "Pascl";

    /// <summary>The model as a message; write it with <c>WriteTo</c>.</summary>
    /// <param name="deployed">The model.</param>
    /// <param name="input">Its pixels.</param>
    /// <param name="arithmetic">In which numbers the convolutions are computed; null for float32.</param>
    public static ModelProto Create(DeployedModel deployed, PixelType input, OnnxArithmetic? arithmetic = null)
    {
        arithmetic ??= new OnnxArithmetic();
        var backbone = OnnxBackbone.Of(deployed.Network);
        var operatorSet = backbone?.OperatorSet ?? OperatorSet;
        var graph = new OnnxGraph(operatorSet);
        var quantised = deployed.Network.Input.Normalisation is null ? arithmetic as QuantisedArithmetic : null;
        var pixels = input == PixelType.Picture
            ? Values(graph, AddPictures(graph, deployed), quantised)
            : AddInput(graph, input, backbone?.ImageSize, quantised);
        var branches = new OnnxBranches(graph, pixels, deployed.Network, backbone, arithmetic);
        var logits = branches.ClassLogits(Branch.Auxiliary);
        var classCount = deployed.ClassNames.Count;
        var score = OnnxScore.Add(graph, deployed.Score, branches, classCount);
        graph.Output(logits, Logits, DataType.Float, "logits of the classes by the auxiliary branch", Batch, classCount);
        graph.Output(graph.Add("Softmax", [logits], "axis", 1), Probabilities, DataType.Float, "probability of each class", Batch, classCount);
        graph.Output(score, Score, DataType.Float, $"out-of-distribution score {deployed.Score.Name}; higher = more so", Batch);
        if (deployed.Threshold is { } threshold)
        {
            graph.Output(
                graph.Add("LessOrEqual", score, graph.Scalar(AtLeast(threshold.Value))), Accepted, DataType.Bool,
                "whether the score is at most the threshold", Batch);
        }

        (arithmetic as ObservedArithmetic)?.Declare(graph);
        return new ModelProto
        {
            IrVersion = Math.Max(FormatVersion, backbone?.IrVersion ?? 0),
            ProducerName = Producer,
            ProducerVersion = ProgramVersion.Number,
            Graph = graph.Message,
            OpsetImport = { new OperatorSetIdProto { Version = operatorSet }, backbone?.OtherOperators ?? [] },
            Functions = { backbone?.Functions ?? [] },
            MetadataProps = { Metadata(deployed, arithmetic, input).Select(entry => new StringStringEntryProto { Key = entry.Key, Value = entry.Value }) },
        };
    }

    /// <summary>The outputs of both branches' classifiers from bytes, for whoever reads them as torch's are read: the convolutions and classifiers of <see cref="Create"/>.</summary>
    /// <param name="network">A network that is whole, without frozen backbone.</param>
    /// <param name="names">Names of the outputs, (N, columns), by branch.</param>
    public static ModelProto CreateBranches(DualBranchNetwork network, IReadOnlyDictionary<Branch, string> names)
    {
        var graph = new OnnxGraph();
        var branches = new OnnxBranches(graph, AddInput(graph, PixelType.UInt8, size: null), network, backbone: null, new OnnxArithmetic());
        foreach (var (branch, name) in names)
        {
            graph.Output(branches.Outputs(branch), name, DataType.Float, $"outputs of the classifier of the branch {branch}", Batch, network.Head.Columns);
        }

        return new ModelProto
        {
            IrVersion = FormatVersion,
            ProducerName = Producer,
            ProducerVersion = ProgramVersion.Number,
            Graph = graph.Message,
            OpsetImport = { new OperatorSetIdProto { Version = OperatorSet } },
        };
    }

    /// <summary>What the users of a model must know, as strings.</summary>
    public static Dictionary<string, string> Metadata(DeployedModel deployed, OnnxArithmetic arithmetic, PixelType input)
    {
        var metadata = new Dictionary<string, string>
        {
            ["class_names"] = JsonSerializer.Serialize(deployed.ClassNames),
            ["image_size"] = deployed.ImageSize.ToString(CultureInfo.InvariantCulture),
            ["score"] = deployed.Score.Name,
            ["precision"] = arithmetic.Name,
            [Preprocessing] = input == PixelType.Picture ? InGraph : Outside,
            ["pascl_version"] = ProgramVersion.Number,
            ["pascl_commit"] = ProgramVersion.Commit,
            ["weights"] = WeightHash.Of(deployed.Network),
        };
        if (deployed.Geometry != ImageGeometry.SmallImages)
        {
            metadata["resize_side"] = deployed.Geometry.ResizeSide(deployed.ImageSize).ToString(CultureInfo.InvariantCulture);
            metadata["interpolation"] = deployed.Geometry.Interpolation == Interpolation.PillowBilinear ? "bilinear" : "bicubic";
        }

        if (deployed.Network is FrozenBackboneNetwork { Backbone.Sha256: { } hash })
        {
            metadata["backbone"] = hash;
        }

        if (deployed.Data is { } data)
        {
            metadata["data"] = JsonSerializer.Serialize(data);
        }

        if (deployed.Threshold is { } threshold)
        {
            metadata["threshold"] = threshold.Value.ToString("R", CultureInfo.InvariantCulture);
            metadata["true_positive_rate"] = threshold.TruePositiveRate.ToString("R", CultureInfo.InvariantCulture);
        }

        return metadata;
    }

    // The next float32 that is not below the threshold: the image that defines the threshold stays accepted.
    private static float AtLeast(double threshold) => (float)threshold is var rounded && rounded < threshold ? float.BitIncrement(rounded) : rounded;

    // Returns float32 in [0, 1].
    private static string AddInput(OnnxGraph graph, PixelType input, int? size, QuantisedArithmetic? quantised = null)
    {
        object height = size is { } rows ? rows : "height", width = size is { } columns ? columns : "width";
        if (input == PixelType.Float)
        {
            graph.Input(Images, DataType.Float, "red, green and blue planes, float32 in [0, 1]", Batch, 3, height, width);
            return Images;
        }

        graph.Input(Images, DataType.Uint8, "red, green and blue planes, bytes", Batch, 3, height, width);
        return Values(graph, Images, quantised);
    }

    // (N, 3, S, S) bytes.
    private static string AddPictures(OnnxGraph graph, DeployedModel deployed)
    {
        graph.Input(Images, DataType.Uint8, "pictures of one size, red, green and blue bytes of each pixel", Batch, "height", "width", 3);
        return new OnnxPreprocessing(graph, deployed.ImageSize, deployed.Geometry).Add(Images);
    }

    private static string Values(OnnxGraph graph, string bytes, QuantisedArithmetic? quantised) =>
        quantised?.Bytes(graph, bytes) ?? graph.Add("Div", graph.Cast(bytes, DataType.Float), graph.Scalar(byte.MaxValue));
}

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
        session = OnnxRuntime.Load(() =>
        {
            using var options = new SessionOptions { IntraOpNumThreads = threads };
            if (optimisedFile is not null)
            {
                // The graph is then also said to fit this machine alone.
                (options.OptimizedModelFilePath, options.LogSeverityLevel) = (optimisedFile, OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            }

            return new InferenceSession(model, options);
        });
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
