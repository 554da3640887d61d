using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Google.Protobuf;
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

    /// <summary>(N, 3, H, W): the input.</summary>
    public const string Images = "images";

    /// <summary>(N, C): the logits of the classes by the auxiliary branch.</summary>
    public const string Logits = "logits";

    /// <summary>(N, C): their softmax.</summary>
    public const string Probabilities = "probabilities";

    /// <summary>(N): the out-of-distribution score.</summary>
    public const string Score = "ood_score";

    /// <summary>(N): whether the score is at most the threshold.</summary>
    public const string Accepted = "accepted";

    // The version of the file format that came with operator set 17.
    private const int FormatVersion = 8;
    private const string Batch = "batch";

    /// <summary>The model as a message; write it with <c>WriteTo</c>.</summary>
    public static ModelProto Create(DeployedModel deployed, PixelType input)
    {
        var backbone = OnnxBackbone.Of(deployed.Network);
        var operatorSet = backbone?.OperatorSet ?? OperatorSet;
        var graph = new OnnxGraph(operatorSet);
        var pixels = AddInput(graph, input, backbone?.ImageSize);
        var branches = new OnnxBranches(graph, pixels, deployed.Network, backbone);
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

        return new ModelProto
        {
            IrVersion = Math.Max(FormatVersion, backbone?.IrVersion ?? 0),
            ProducerName = "Pascl",
            ProducerVersion = ProgramVersion.Number,
            Graph = graph.Message,
            OpsetImport = { new OperatorSetIdProto { Version = operatorSet }, backbone?.OtherOperators ?? [] },
            Functions = { backbone?.Functions ?? [] },
            MetadataProps = { Metadata(deployed).Select(entry => new StringStringEntryProto { Key = entry.Key, Value = entry.Value }) },
        };
    }

    /// <summary>What the users of a model must know, as strings.</summary>
    public static Dictionary<string, string> Metadata(DeployedModel deployed)
    {
        var metadata = new Dictionary<string, string>
        {
            ["class_names"] = JsonSerializer.Serialize(deployed.ClassNames),
            ["image_size"] = deployed.ImageSize.ToString(CultureInfo.InvariantCulture),
            ["score"] = deployed.Score.Name,
            ["precision"] = "float32",
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
    private static string AddInput(OnnxGraph graph, PixelType input, int? size)
    {
        object height = size is { } rows ? rows : "height", width = size is { } columns ? columns : "width";
        if (input == PixelType.Float)
        {
            graph.Input(Images, DataType.Float, "red, green and blue planes, float32 in [0, 1]", Batch, 3, height, width);
            return Images;
        }

        graph.Input(Images, DataType.Uint8, "red, green and blue planes, bytes", Batch, 3, height, width);
        return graph.Add("Div", graph.Add("Cast", [Images], "to", (long)DataType.Float), graph.Scalar(byte.MaxValue));
    }
}

/// <summary>A graph under construction: every call adds a node or a constant and returns the name of its value.</summary>
/// <param name="operatorSet">The version of the operators.</param>
internal sealed class OnnxGraph(int operatorSet = OnnxModel.OperatorSet)
{
    // From this version on all reductions take their dimensions as an input.
    private const int AxesAsInput = 18;

    private readonly GraphProto graph = new() { Name = "pascl" };

    /// <summary>The graph as built so far.</summary>
    public GraphProto Message => graph;

    /// <summary>Adds a node with one output.</summary>
    public string Add(string operation, params string[] inputs) => Add(operation, inputs, []);

    /// <summary>Adds a node with one output and integer attributes.</summary>
    public string Add(string operation, string[] inputs, params (string Name, long[] Values)[] attributes)
    {
        var node = NewNode(operation, inputs);
        foreach (var (name, values) in attributes)
        {
            node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { values } });
        }

        return node.Output[0];
    }

    /// <summary>Adds a node with one output and one whole number as attribute.</summary>
    public string Add(string operation, string[] inputs, string attribute, long value)
    {
        var node = NewNode(operation, inputs);
        node.Attribute.Add(new AttributeProto { Name = attribute, Type = AttributeProto.Types.AttributeType.Int, I = value });
        return node.Output[0];
    }

    /// <summary>Adds float32 values, row-major.</summary>
    public string Constant(float[] values, params long[] shape) =>
        AddConstant(TensorProto.Types.DataType.Float, MemoryMarshal.AsBytes<float>(values), shape);

    /// <summary>Adds a vector of int64.</summary>
    public string Constant(params long[] values) => AddConstant(TensorProto.Types.DataType.Int64, MemoryMarshal.AsBytes<long>(values), [values.Length]);

    /// <summary>Adds one float32 without dimensions.</summary>
    public string Scalar(float value) => Constant([value]);

    /// <summary>Sums (N, columns) to (N).</summary>
    public string SumOfColumns(string values) => Add("ReduceSum", [values, Constant(1)], "keepdims", 0);

    /// <summary>Places from (inclusive) to (exclusive) of a dimension.</summary>
    public string Slice(string values, long from, long to, long dimension) => Add("Slice", values, Constant(from), Constant(to), Constant(dimension));

    /// <summary>log sum exp over a dimension, which is dropped.</summary>
    public string LogSumExp(string values, long dimension) => Reduce("ReduceLogSumExp", values, dimension);

    /// <summary>The mean over a dimension, which is dropped.</summary>
    public string Mean(string values, long dimension) => Reduce("ReduceMean", values, dimension);

    /// <summary>Declares an input; a dimension is a number or a name.</summary>
    public void Input(string name, TensorProto.Types.DataType type, string description, params object[] shape) =>
        graph.Input.Add(Describe(name, type, description, shape));

    /// <summary>Gives a value its name outside and declares it as output; a dimension is a number or a name.</summary>
    public void Output(string value, string name, TensorProto.Types.DataType type, string description, params object[] shape)
    {
        graph.Node.Add(new NodeProto { Name = name, OpType = "Identity", Input = { value }, Output = { name } });
        graph.Output.Add(Describe(name, type, description, shape));
    }

    /// <summary>The largest value of a dimension, which is dropped or has length 1 then.</summary>
    public string Max(string values, long dimension, bool keepsDimension = false) => Reduce("ReduceMax", values, dimension, keepsDimension);

    private string Reduce(string operation, string values, long dimension, bool keepsDimension = false)
    {
        var node = NewNode(operation, operatorSet < AxesAsInput ? [values] : [values, Constant(dimension)]);
        if (operatorSet < AxesAsInput)
        {
            node.Attribute.Add(new AttributeProto { Name = "axes", Type = AttributeProto.Types.AttributeType.Ints, Ints = { dimension } });
        }

        node.Attribute.Add(new AttributeProto { Name = "keepdims", Type = AttributeProto.Types.AttributeType.Int, I = keepsDimension ? 1 : 0 });
        return node.Output[0];
    }

    private NodeProto NewNode(string operation, string[] inputs)
    {
        var name = $"{operation}_{graph.Node.Count}";
        var node = new NodeProto { Name = name, OpType = operation, Input = { inputs }, Output = { $"{name}:0" } };
        graph.Node.Add(node);
        return node;
    }

    private string AddConstant(TensorProto.Types.DataType type, ReadOnlySpan<byte> bytes, long[] shape)
    {
        var name = $"constant_{graph.Initializer.Count}";
        graph.Initializer.Add(new TensorProto { Name = name, DataType = type, Dims = { shape }, RawData = ByteString.CopyFrom(bytes) });
        return name;
    }

    private static ValueInfoProto Describe(string name, TensorProto.Types.DataType type, string description, object[] shape)
    {
        var dimensions = new TensorShapeProto();
        foreach (var length in shape)
        {
            dimensions.Dim.Add(length is string symbol
                ? new TensorShapeProto.Types.Dimension { DimParam = symbol }
                : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(length) });
        }

        return new ValueInfoProto
        {
            Name = name,
            DocString = description,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = type, Shape = dimensions } },
        };
    }
}
