using Pascl.Training.Data;
using DataType = Pascl.Training.Backbones.TensorProto.Types.DataType;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>
/// Pictures of any size to the squares that a network takes, as nodes of a graph: the bytes that <see cref="ImageGeometry"/> means, to the last bit. The weights of each axis are computed
/// in double from its length, by the operations of the resampling in C#. Then each axis is resized tap by tap: to every output the product of its next source pixel with its weight is added,
/// in the order and the arithmetic in which C# adds them (whole numbers of 22 binary digits behind the point for Pillow's filters, float32 for the cubic of small images). No memory is needed
/// but the picture, its turned copy and the result.
/// </summary>
/// <param name="graph">The graph.</param>
/// <param name="size">S, rows and columns of the squares.</param>
/// <param name="geometry">How pictures become squares.</param>
internal sealed class OnnxPreprocessing(OnnxGraph graph, int size, ImageGeometry geometry)
{
    private const long Rows = 1;
    private const long Columns = 2;

    // Pillow's digits behind the point.
    private const int One = 1 << 22;

    private readonly bool isPillow = geometry.Interpolation != Interpolation.Cubic;

    // What products are added in. Bytes lie between Pillow's passes, float32 between those of the cubic.
    private DataType Sums => isPillow ? DataType.Int32 : DataType.Float;

    /// <summary>Adds the squares.</summary>
    /// <param name="pictures">Name of the pictures, (N, H, W, 3) bytes.</param>
    /// <returns>Name of the squares, (N, 3, S, S) bytes.</returns>
    public string Add(string pictures)
    {
        var lengths = graph.Cast(graph.Add("Shape", pictures), DataType.Double);
        var (height, width) = (Length(lengths, Rows), Length(lengths, Columns));
        var shorter = graph.Add("Min", height, width);
        var wide = Resize(graph.Transpose(pictures, 2, 0, 1, 3), Taps(width, shorter)); // (W, N, H, 3) -> (S, N, H, 3)
        var square = Resize(graph.Transpose(wide, 2, 1, 0, 3), Taps(height, shorter)); // (H, N, S, 3) -> (S, N, S, 3)
        var bytes = isPillow ? square : Bytes(graph.Add("Add", square, graph.Scalar(0.5f)), graph.Scalar(0), graph.Scalar(byte.MaxValue));
        return graph.Transpose(bytes, 1, 3, 0, 2);
    }

    private string Length(string lengths, long dimension) => graph.Add("Squeeze", graph.Slice(lengths, dimension, dimension + 1, 0), graph.Constant(0L));

    private string Whole(int value) => graph.Constant((int[])[value]);

    private string Bytes(string values, string lowest, string highest) => graph.Cast(graph.Add("Clip", values, lowest, highest), DataType.Uint8);

    // (L, ...) -> (S, ...)
    private string Resize(string pictures, (string Positions, string Weights) taps)
    {
        var begin = isPillow ? graph.Constant((int[])[One / 2], 1) : graph.Constant((float[])[0], 1);
        var shape = graph.Add("Concat", [graph.Constant(size), graph.Slice(graph.Add("Shape", pictures), 1, 4, 0)], "axis", 0);
        var sums = graph.Scan(graph.Add("Expand", begin, shape), [taps.Positions, taps.Weights], (inside, sum, tap) =>
            inside.Add("Add", sum, inside.Add("Mul", tap[1], inside.Cast(inside.Add("Gather", [pictures, tap[0]], "axis", 0), Sums))));
        return isPillow ? Bytes(graph.Add("Div", sums, Whole(One)), Whole(0), Whole(byte.MaxValue)) : sums;
    }

    // For every tap and output of an axis the source pixel, (T, S), and its weight, (T, S, 1, 1, 1). All outputs have as many taps; those that count for nothing have the weight 0.
    private (string Positions, string Weights) Taps(string length, string shorter)
    {
        var side = isPillow ? geometry.ResizeSide(size) : size;
        var exact = graph.Add("Div", graph.Add("Mul", length, graph.Double(side)), shorter);
        var resized = graph.Add(isPillow ? "Floor" : "Round", exact);
        var margin = graph.Add(isPillow ? "Round" : "Floor", graph.Add("Div", graph.Add("Sub", resized, graph.Double(size)), graph.Double(2)));
        var scale = graph.Add("Div", length, resized);
        var stretch = graph.Add("Max", scale, graph.Double(1));
        var radius = graph.Add("Mul", graph.Double(geometry.Interpolation == Interpolation.PillowBilinear ? 1 : 2), stretch);
        var outputs = graph.Doubles([.. Enumerable.Range(0, size).Select(output => output + 0.5)]);
        var centres = graph.Add("Mul", graph.Add("Add", outputs, margin), scale); // (S)

        var count = graph.Add("Add", graph.Add("Mul", graph.Add("Ceil", radius), graph.Double(2)), graph.Double(1));
        var taps = graph.Add("Unsqueeze", graph.Add("Range", graph.Double(0), count, graph.Double(1)), graph.Constant(1L)); // (T, 1)
        var wanted = graph.Add("Add", taps, graph.Add("Floor", graph.Add("Sub", centres, radius))); // (T, S)
        var positions = graph.Add("Max", graph.Add("Min", wanted, graph.Add("Sub", length, graph.Double(1))), graph.Double(0));
        var distances = graph.Add("Add", graph.Add("Sub", wanted, centres), graph.Double(0.5));
        var weights = Filter(graph.Add("Abs", graph.Add("Div", distances, stretch)));
        var inside = graph.Add("Where", graph.Add("Equal", wanted, positions), weights, graph.Double(0));
        var normalised = graph.Add("Div", inside, graph.Add("ReduceSum", [inside, graph.Constant(0L)], "keepdims", 1));
        return (
            graph.Cast(positions, DataType.Int64),
            graph.Add("Unsqueeze", graph.Cast(isPillow ? Rounded(graph.Add("Mul", normalised, graph.Double(One))) : normalised, Sums), graph.Constant(2L, 3, 4)));
    }

    // To the nearest whole number, halves away from zero.
    private string Rounded(string values) =>
        graph.Add("Mul", graph.Add("Sign", values), graph.Add("Floor", graph.Add("Add", graph.Add("Abs", values), graph.Double(0.5))));

    // The weight at a distance x >= 0: max(0, 1 - x), or the cubic of R. Keys (1981) with a = -1/2.
    private string Filter(string x)
    {
        if (geometry.Interpolation == Interpolation.PillowBilinear)
        {
            return graph.Add("Max", graph.Add("Sub", graph.Double(1), x), graph.Double(0));
        }

        var near = Polynomial(x, 1.5, -2.5, 0, 1);
        var far = Polynomial(x, -0.5, 2.5, -4, 2);
        return graph.Add(
            "Where", graph.Add("Less", x, graph.Double(1)), near, graph.Add("Where", graph.Add("Less", x, graph.Double(2)), far, graph.Double(0)));
    }

    // Horner's rule, the highest power first.
    private string Polynomial(string x, params double[] coefficients)
    {
        var value = graph.Double(coefficients[0]);
        foreach (var coefficient in coefficients.Skip(1))
        {
            value = graph.Add("Mul", value, x);
            value = coefficient == 0 ? value : graph.Add("Add", value, graph.Double(coefficient));
        }

        return value;
    }
}
