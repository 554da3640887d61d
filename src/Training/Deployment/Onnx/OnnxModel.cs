using System.Globalization;
using System.Text.Json;
using Pascl.Training.Model;
using DataType = Pascl.Training.Deployment.Onnx.TensorProto.Types.DataType;

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
        var graph = new OnnxGraph();
        var pixels = AddInput(graph, input);
        var branches = new OnnxBranches(graph, pixels, deployed.Network);
        var logits = branches.ClassLogits(Branch.Auxiliary);
        var classCount = deployed.ClassNames.Count;
        var score = deployed.Score.AddTo(graph, branches, classCount);
        graph.Output(logits, Logits, DataType.Float, "logits of the classes by the auxiliary branch", Batch, classCount);
        graph.Output(graph.Add("Softmax", [logits], "axis", 1), Probabilities, DataType.Float, "probability of each class", Batch, classCount);
        graph.Output(score, Score, DataType.Float, $"out-of-distribution score {deployed.Score.Name}; higher = more so", Batch);
        if (deployed.Calibration is { } calibration)
        {
            graph.Output(
                graph.Add("LessOrEqual", score, graph.Scalar(AtLeast(calibration.Threshold))), Accepted, DataType.Bool,
                "whether the score is at most the threshold", Batch);
        }

        return new ModelProto
        {
            IrVersion = FormatVersion,
            ProducerName = "Pascl",
            ProducerVersion = typeof(OnnxModel).Assembly.GetName().Version!.ToString(3),
            Graph = graph.Message,
            OpsetImport = { new OperatorSetIdProto { Version = OperatorSet } },
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
        };
        if (deployed.Calibration is { } calibration)
        {
            metadata["threshold"] = calibration.Threshold.ToString("R", CultureInfo.InvariantCulture);
            metadata["true_positive_rate"] = calibration.TruePositiveRate.ToString("R", CultureInfo.InvariantCulture);
        }

        return metadata;
    }

    // The next float32 that is not below the threshold: the image that defines the threshold stays accepted.
    private static float AtLeast(double threshold) => (float)threshold is var rounded && rounded < threshold ? float.BitIncrement(rounded) : rounded;

    // Returns float32 in [0, 1].
    private static string AddInput(OnnxGraph graph, PixelType input)
    {
        if (input == PixelType.Float)
        {
            graph.Input(Images, DataType.Float, "red, green and blue planes, float32 in [0, 1]", Batch, 3, "height", "width");
            return Images;
        }

        graph.Input(Images, DataType.Uint8, "red, green and blue planes, bytes", Batch, 3, "height", "width");
        return graph.Add("Div", graph.Add("Cast", [Images], "to", (long)DataType.Float), graph.Scalar(byte.MaxValue));
    }
}
