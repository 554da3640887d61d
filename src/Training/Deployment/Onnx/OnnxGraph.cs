using System.Runtime.InteropServices;
using Google.Protobuf;
using Pascl.Training.Backbones;
using Pascl.Training.Networks;
using DataType = Pascl.Training.Backbones.TensorProto.Types.DataType;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>A graph under construction: every call adds a node or a constant and returns the name of its value.</summary>
/// <param name="operatorSet">The version of the operators.</param>
/// <param name="prefix">What every name begins with: the names of a graph inside another are none of that one's.</param>
internal sealed class OnnxGraph(int operatorSet = OnnxModel.OperatorSet, string prefix = "")
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
        AddConstant(DataType.Float, MemoryMarshal.AsBytes<float>(values), shape);

    /// <summary>Adds a vector of int64.</summary>
    public string Constant(params long[] values) => AddConstant(DataType.Int64, MemoryMarshal.AsBytes<long>(values), [values.Length]);

    /// <summary>Adds bytes with a sign, row-major.</summary>
    public string Constant(sbyte[] values, params long[] shape) => AddConstant(DataType.Int8, MemoryMarshal.AsBytes<sbyte>(values), shape);

    /// <summary>Adds int32, row-major.</summary>
    public string Constant(int[] values, params long[] shape) => AddConstant(DataType.Int32, MemoryMarshal.AsBytes<int>(values), shape);

    /// <summary>Adds one byte without dimensions.</summary>
    public string Byte(byte value) => AddConstant(DataType.Uint8, [value], []);

    /// <summary>Adds one float32 without dimensions.</summary>
    public string Scalar(float value) => Constant([value]);

    /// <summary>Adds a vector of doubles.</summary>
    public string Doubles(params double[] values) => AddConstant(DataType.Double, MemoryMarshal.AsBytes<double>(values), [values.Length]);

    /// <summary>Adds one double without dimensions.</summary>
    public string Double(double value) => AddConstant(DataType.Double, MemoryMarshal.AsBytes<double>([value]), []);

    /// <summary>Converts values.</summary>
    public string Cast(string values, DataType type) => Add("Cast", [values], "to", (long)type);

    /// <summary>Exchanges dimensions: the first one is the one whose number comes first.</summary>
    public string Transpose(string values, params long[] dimensions) => Add("Transpose", [values], ("perm", dimensions));

    /// <summary>A state that every place of the first dimension of some values changes in turn.</summary>
    /// <param name="state">What it is at the beginning; its shape stays.</param>
    /// <param name="values">Values with the same length of their first dimension.</param>
    /// <param name="step">Adds to the graph inside what becomes of the state at a place: from the state and the part of each of the values. It may read any value of this graph.</param>
    /// <returns>Name of the state at the end.</returns>
    public string Scan(string state, string[] values, Func<OnnxGraph, string, string[], string> step)
    {
        var place = $"{prefix}scan_{graph.Node.Count}/";
        var inside = new OnnxGraph(operatorSet, place);
        string[] names = [.. Enumerable.Range(0, values.Length + 1).Select(i => $"{place}input_{i}")];
        inside.graph.Input.Add(names.Select(name => new ValueInfoProto { Name = name }));
        inside.graph.Output.Add(new ValueInfoProto { Name = step(inside, names[0], names[1..]) });
        var node = NewNode("Scan", [state, .. values]);
        node.Attribute.Add(new AttributeProto { Name = "body", Type = AttributeProto.Types.AttributeType.Graph, G = inside.graph });
        node.Attribute.Add(new AttributeProto { Name = "num_scan_inputs", Type = AttributeProto.Types.AttributeType.Int, I = values.Length });
        return node.Output[0];
    }

    /// <summary>Sums (N, columns) to (N).</summary>
    public string SumOfColumns(string values) => Add("ReduceSum", [values, Constant(1)], "keepdims", 0);

    /// <summary>Places from (inclusive) to (exclusive) of a dimension.</summary>
    public string Slice(string values, long from, long to, long dimension) => Add("Slice", values, Constant(from), Constant(to), Constant(dimension));

    /// <summary>log sum exp over a dimension, which is dropped.</summary>
    public string LogSumExp(string values, long dimension) => Reduce("ReduceLogSumExp", values, dimension);

    /// <summary>The mean over a dimension, which is dropped.</summary>
    public string Mean(string values, long dimension) => Reduce("ReduceMean", values, dimension);

    /// <summary>Declares an input; a dimension is a number or a name.</summary>
    public void Input(string name, DataType type, string description, params object[] shape) =>
        graph.Input.Add(Describe(name, type, description, shape));

    /// <summary>Gives a value its name outside and declares it as output; a dimension is a number or a name.</summary>
    public void Output(string value, string name, DataType type, string description, params object[] shape)
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
        var name = $"{prefix}{operation}_{graph.Node.Count}";
        var node = new NodeProto { Name = name, OpType = operation, Input = { inputs }, Output = { $"{name}:0" } };
        graph.Node.Add(node);
        return node;
    }

    private string AddConstant(DataType type, ReadOnlySpan<byte> bytes, long[] shape)
    {
        var name = $"{prefix}constant_{graph.Initializer.Count}";
        graph.Initializer.Add(new TensorProto { Name = name, DataType = type, Dims = { shape }, RawData = ByteString.CopyFrom(bytes) });
        return name;
    }

    private static ValueInfoProto Describe(string name, DataType type, string description, object[] shape)
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

/// <summary>In which numbers the convolutions of a graph are computed: float32. What lies between two of them passes through <see cref="Between"/>.</summary>
internal class OnnxArithmetic
{
    /// <summary>What the metadata of a model call it.</summary>
    public virtual string Name => "float32";

    /// <summary>Adds what the images become before anything is computed from them.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pixels">Name of the images, (N, 3, H, W) float32 in [0, 1] or normalised.</param>
    /// <param name="isNormalised">Whether they are normalised.</param>
    public virtual string Pixels(OnnxGraph graph, string pixels, bool isNormalised) => pixels;

    /// <summary>Adds what becomes of the output of a layer before the next one reads it.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="place">What tells the place from every other of the network. What chooses among values, as pooling does, keeps the place of what it reads.</param>
    /// <param name="value">Name of the output, (N, channels, H, W).</param>
    public virtual string Between(OnnxGraph graph, string place, string value) => value;

    /// <summary>Adds weight and bias of a convolution.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="input">Name of what is convolved.</param>
    /// <param name="convolution">The convolution.</param>
    public virtual (string Weight, string Bias) Weights(OnnxGraph graph, string input, FoldedConvolution convolution) =>
        (graph.Constant(convolution.Weight, convolution.Shape), graph.Constant(convolution.Bias, convolution.Bias.Length));
}

/// <summary>float32, and every value between two layers is an output of the graph, by the name of its place.</summary>
internal sealed class ObservedArithmetic : OnnxArithmetic
{
    private readonly List<(string Place, string Value)> places = [];

    /// <summary>The place of the images.</summary>
    public const string Images = "pixels";

    public override string Pixels(OnnxGraph graph, string pixels, bool isNormalised) => isNormalised ? Between(graph, Images, pixels) : pixels;

    public override string Between(OnnxGraph graph, string place, string value)
    {
        if (places.All(known => known.Place != place))
        {
            places.Add((place, value));
        }

        return value;
    }

    /// <summary>Declares the outputs, once the graph is whole.</summary>
    public void Declare(OnnxGraph graph) =>
        places.ForEach(place => graph.Output(
            place.Value, place.Place, TensorProto.Types.DataType.Float, "what is between two layers", OnnxModel.Batch, $"channels of {place.Place}", $"rows of {place.Place}", $"columns of {place.Place}"));
}

/// <summary>
/// Eight bits, as pairs of QuantizeLinear and DequantizeLinear (QDQ) that a runtime joins with the convolution between them into one of whole numbers. With x = s (q - z):
/// activations are unsigned, one scale s and zero point z for each place; weights are signed, z = 0, one scale for each output channel; the bias is int32 at the product of
/// both scales. Format: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html.
/// </summary>
/// <param name="ranges">The range of every place.</param>
internal sealed class QuantisedArithmetic(IReadOnlyDictionary<string, ActivationRange> ranges) : OnnxArithmetic
{
    /// <summary>
    /// The largest weight. Seven bits: processors without VNNI (AVX2, AVX-512) add two products of a byte and a weight in 16 bits with a sign, which 2 * 255 * 64 does not
    /// leave, so that every processor gets the same sums.
    /// </summary>
    public const int LargestWeight = 64;

    // A bias stays far inside of int32, whatever is added to it.
    private const double LargestBias = 1 << 30;
    private const float PixelScale = 1f / byte.MaxValue;

    private readonly Dictionary<string, float> scales = [];

    public override string Name => "int8";

    public override string Pixels(OnnxGraph graph, string pixels, bool isNormalised) =>
        isNormalised ? Between(graph, ObservedArithmetic.Images, pixels) : scales.ContainsKey(pixels) ? pixels : Pair(graph, pixels, PixelScale, zero: 0);

    /// <summary>Adds the images in [0, 1] where they come as bytes, which are whole numbers already.</summary>
    public string Bytes(OnnxGraph graph, string bytes) => Remembered(graph.Add("DequantizeLinear", bytes, graph.Scalar(PixelScale), graph.Byte(0)), PixelScale);

    public override string Between(OnnxGraph graph, string place, string value)
    {
        var (scale, zero) = ranges[place].Quantised();
        return Pair(graph, value, scale, zero);
    }

    public override (string Weight, string Bias) Weights(OnnxGraph graph, string input, FoldedConvolution convolution)
    {
        var channels = convolution.Bias.Length;
        var length = convolution.Weight.Length / channels;
        var (weights, biases) = (new sbyte[convolution.Weight.Length], new int[channels]);
        var (weightScales, biasScales) = (new float[channels], new float[channels]);
        for (var channel = 0; channel < channels; channel++)
        {
            var row = convolution.Weight.AsSpan(channel * length, length);
            weightScales[channel] = ScaleOf(row, convolution.Bias[channel], scales[input]);
            biasScales[channel] = weightScales[channel] * scales[input];
            biases[channel] = (int)Math.Round(convolution.Bias[channel] / (double)biasScales[channel]);
            for (var i = 0; i < length; i++)
            {
                weights[(channel * length) + i] = (sbyte)Math.Clamp(Math.Round(row[i] / (double)weightScales[channel]), -LargestWeight, LargestWeight);
            }
        }

        return (
            Dequantised(graph, graph.Constant(weights, convolution.Shape), graph.Constant(weightScales, channels), graph.Constant(new sbyte[channels], channels)),
            Dequantised(graph, graph.Constant(biases, channels), graph.Constant(biasScales, channels), graph.Constant(new int[channels], channels)));
    }

    private static string Dequantised(OnnxGraph graph, string values, string scale, string zero) => graph.Add("DequantizeLinear", [values, scale, zero], "axis", 0);

    // A channel of zeros, or with a bias that its weights would make too large in whole numbers, takes the scale of the bias.
    private static float ScaleOf(ReadOnlySpan<float> weights, float bias, float inputScale)
    {
        var largest = 0f;
        foreach (var weight in weights)
        {
            largest = Math.Max(largest, Math.Abs(weight));
        }

        var scale = (float)Math.Max(largest / (double)LargestWeight, Math.Abs(bias) / (inputScale * LargestBias));
        return scale > 0 ? scale : 1;
    }

    private string Pair(OnnxGraph graph, string value, float scale, byte zero)
    {
        var (scaleName, zeroName) = (graph.Scalar(scale), graph.Byte(zero));
        return Remembered(graph.Add("DequantizeLinear", graph.Add("QuantizeLinear", value, scaleName, zeroName), scaleName, zeroName), scale);
    }

    private string Remembered(string name, float scale)
    {
        scales[name] = scale;
        return name;
    }
}

/// <summary>What the values of a place are quantised between; zero is always inside.</summary>
/// <param name="Low">At most 0.</param>
/// <param name="High">At least 0.</param>
internal sealed record ActivationRange(float Low, float High)
{
    /// <summary>s and z of q = round(x / s) + z, clamped to 0 to 255.</summary>
    public (float Scale, byte Zero) Quantised()
    {
        var scale = (High - Low) / byte.MaxValue;
        return scale > 0 ? (scale, (byte)Math.Round(-Low / scale)) : (1, 0);
    }
}
