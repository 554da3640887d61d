using Pascl.Training.Backbones;
using Pascl.Training.Networks;

namespace Pascl.Training.Deployment.Onnx;

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
