using System.Runtime.InteropServices;
using Google.Protobuf;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>A graph under construction: every call adds a node or a constant and returns the name of its value.</summary>
internal sealed class OnnxGraph
{
    private readonly GraphProto graph = new() { Name = "pascl" };

    /// <summary>The graph as built so far.</summary>
    public GraphProto Message => graph;

    /// <summary>Adds a node with one output.</summary>
    public string Add(string operation, params string[] inputs) => Add(operation, inputs, []);

    /// <summary>Adds a node with one output and integer attributes.</summary>
    public string Add(string operation, string[] inputs, params (string Name, long[] Values)[] attributes)
    {
        var node = NewNode(operation, inputs, outputs: 1);
        foreach (var (name, values) in attributes)
        {
            node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { values } });
        }

        return node.Output[0];
    }

    /// <summary>Adds a node with one output and one whole number as attribute.</summary>
    public string Add(string operation, string[] inputs, string attribute, long value)
    {
        var node = NewNode(operation, inputs, outputs: 1);
        node.Attribute.Add(new AttributeProto { Name = attribute, Type = AttributeProto.Types.AttributeType.Int, I = value });
        return node.Output[0];
    }

    /// <summary>Adds a node with several outputs.</summary>
    public IReadOnlyList<string> AddSeveral(string operation, string[] inputs, int outputs) => NewNode(operation, inputs, outputs).Output;

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

    // Operator set 17 takes the dimension of these reductions as an attribute.
    private string Reduce(string operation, string values, long dimension) =>
        Add("Squeeze", Add(operation, [values], ("axes", [dimension])), Constant(dimension));

    private NodeProto NewNode(string operation, string[] inputs, int outputs)
    {
        var name = $"{operation}_{graph.Node.Count}";
        var node = new NodeProto { Name = name, OpType = operation, Input = { inputs } };
        node.Output.AddRange(Enumerable.Range(0, outputs).Select(output => $"{name}:{output}"));
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
