using System.Runtime.InteropServices;
using Google.Protobuf;
using Pascl.Training.Backbones;
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
