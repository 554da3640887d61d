using Google.Protobuf;
using Pascl.Training.Backbones;
using Pascl.Training.Deployment.Onnx;
using DataType = Pascl.Training.Backbones.TensorProto.Types.DataType;

namespace Pascl.Tests.Training.Backbones;

/// <summary>ONNX files whose features are known: of images of 8 x 8, the mean of each channel over each of the four quarters.</summary>
internal sealed class TinyBackbone
{
    public const int Size = 8;
    public const int FeatureCount = 12;

    /// <summary>The settings of a model that takes pixels as they are.</summary>
    public static BackboneSettings Settings(string path) => new() { Path = path, Input = BackboneInput.None };

    private readonly OnnxGraph graph;
    private readonly int operatorSet;

    private TinyBackbone(int operatorSet) => (this.operatorSet, graph) = (operatorSet, new OnnxGraph(operatorSet));

    /// <summary>(batch, 12): channel by channel the upper left quarter, the upper right one, the lower left one, the lower right one.</summary>
    public static string Quarters(string path, int operatorSet = 17, params object[] shape)
    {
        var model = new TinyBackbone(operatorSet);
        model.Input(shape.Length == 0 ? ["batch", 3, Size, Size] : shape);
        model.Output(model.graph.Add("Flatten", model.QuarterMaps("pixels")), "features", "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>The same times a number, as another model.</summary>
    public static string Scaled(string path, float factor)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        model.Output(model.graph.Add("Mul", model.graph.Add("Flatten", model.QuarterMaps("pixels")), model.graph.Scalar(factor)), "features", "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>(batch, 8, 8, 3) in, the same features.</summary>
    public static string ChannelsLast(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", Size, Size, 3);
        model.Output(model.graph.Add("Flatten", model.QuarterMaps(model.graph.Add("Transpose", ["pixels"], ("perm", [0, 3, 1, 2])))), "features", "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>(batch, 4, 3): a token for each quarter.</summary>
    public static string Tokens(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        var flat = model.graph.Add("Reshape", model.QuarterMaps("pixels"), model.graph.Constant(0L, 3, 4));
        model.Output(model.graph.Add("Transpose", [flat], ("perm", [0, 2, 1])), "tokens", "batch", 4, 3);
        return model.Write(path);
    }

    /// <summary>(batch, 3, 2, 2): the quarters as a map.</summary>
    public static string Map(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        model.Output(model.QuarterMaps("pixels"), "map", "batch", 3, 2, 2);
        return model.Write(path);
    }

    /// <summary>(batch, 12) twice, and (batch, 4, 3).</summary>
    public static string TwoOutputs(string path, string first = "features", string second = "logits")
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        var rows = model.graph.Add("Flatten", model.QuarterMaps("pixels"));
        model.Output(rows, first, "batch", FeatureCount);
        model.Output(model.graph.Add("Neg", rows), second, "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>(batch, 12) and (batch, 2): of two classes, the first for images darker than 0.55 on average.</summary>
    public static string Classifier(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        var rows = model.graph.Add("Flatten", model.QuarterMaps("pixels"));
        var brightness = model.graph.Add("ReduceMean", [rows], ("axes", [1L]));
        var brighter = model.graph.Add("Sub", brightness, model.graph.Scalar(0.55f));
        model.Output(rows, "features", "batch", FeatureCount);
        model.Output(model.graph.Add("Concat", [model.graph.Add("Neg", brighter), brighter], "axis", 1), "logits", "batch", 2);
        return model.Write(path);
    }

    /// <summary>The logarithm of the quarters less 0.3, which is no number for dark ones.</summary>
    public static string Logarithms(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        var darker = model.graph.Add("Sub", model.graph.Add("Flatten", model.QuarterMaps("pixels")), model.graph.Scalar(0.3f));
        model.Output(model.graph.Add("Log", darker), "features", "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>One image at a time by a shape that stands in the graph, not in its input.</summary>
    public static string OneImageInside(string path)
    {
        var model = new TinyBackbone(17);
        model.Input(1, 3, Size, Size);
        model.Output(model.graph.Add("Reshape", model.QuarterMaps("pixels"), model.graph.Constant(1L, FeatureCount)), "features", 1, FeatureCount);
        return model.Write(path);
    }

    /// <summary>Two inputs.</summary>
    public static string ImageAndText(string path)
    {
        var model = new TinyBackbone(17);
        model.Input("batch", 3, Size, Size);
        model.graph.Input("text", DataType.Int64, "", "batch", 77);
        model.Output(model.graph.Add("Flatten", model.QuarterMaps("pixels")), "features", "batch", FeatureCount);
        return model.Write(path);
    }

    /// <summary>The features of an image in closed form, in double.</summary>
    /// <param name="image">(8, 8, 3).</param>
    public static double[] Expected(ReadOnlySpan<float> image)
    {
        var features = new double[FeatureCount];
        for (var pixel = 0; pixel < Size * Size; pixel++)
        {
            var quarter = (pixel / Size / (Size / 2) * 2) + (pixel % Size / (Size / 2));
            for (var channel = 0; channel < 3; channel++)
            {
                features[(channel * 4) + quarter] += image[(pixel * 3) + channel] / (Size * Size / 4.0);
            }
        }

        return features;
    }

    private void Input(params object[] shape) => graph.Input("pixels", DataType.Float, "", shape);

    private void Output(string value, string name, params object[] shape) => graph.Output(value, name, DataType.Float, "", shape);

    private string QuarterMaps(string pixels) => graph.Add("AveragePool", [pixels], ("kernel_shape", [Size / 2, Size / 2]), ("strides", [Size / 2, Size / 2]));

    private string Write(string path)
    {
        var model = new ModelProto { IrVersion = 8, Graph = graph.Message, OpsetImport = { new OperatorSetIdProto { Version = operatorSet } } };
        File.WriteAllBytes(path, model.ToByteArray());
        return path;
    }
}
