using Google.Protobuf;
using Google.Protobuf.Collections;
using Pascl.Training.Backbones;
using Pascl.Training.Networks;
using AttributeType = Pascl.Training.Backbones.AttributeProto.Types.AttributeType;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>The graph of a frozen backbone, to be put into that of a deployed model, so that one file goes from pixels to scores.</summary>
internal sealed class OnnxBackbone
{
    // Before 13 some operators had their axes elsewhere than those that follow the backbone; from 18 on more have, which OnnxGraph knows.
    private const int OldestOperatorSet = 13;
    private const int OldestLifted = 7;

    // A protobuf message ends at 2 GiB.
    private const long LargestFile = 2_000_000_000;
    private const string Prefix = "backbone/";
    private const string Spatial = "spatial";

    // Operators that mean the same from version 7 to 17, but for attributes that were dropped.
    private static readonly HashSet<string> lifted =
    [
        "Add", "AveragePool", "BatchNormalization", "Concat", "Constant", "Conv", "Div", "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu",
        "MatMul", "MaxPool", "Mul", "Relu", "Reshape", "Sigmoid", "Sub", "Sum", "Tanh", "Transpose",
    ];

    private readonly FrozenBackbone backbone;
    private readonly ModelProto model;

    private OnnxBackbone(FrozenBackbone backbone, ModelProto model, int operatorSet) => (this.backbone, this.model, OperatorSet) = (backbone, model, operatorSet);

    /// <summary>The version of ONNX's operators that the whole graph has.</summary>
    public int OperatorSet { get; }

    /// <summary>The version of the file format that the backbone needs.</summary>
    public long IrVersion => model.IrVersion;

    /// <summary>Rows and columns of the images.</summary>
    public int ImageSize => backbone.ImageSize;

    /// <summary>Operators that are not ONNX's own.</summary>
    public IEnumerable<OperatorSetIdProto> OtherOperators => model.OpsetImport.Where(set => !IsOnnx(set.Domain));

    /// <summary>Functions that nodes of the backbone call.</summary>
    public IEnumerable<FunctionProto> Functions => model.Functions;

    /// <summary>Reads a network's backbone.</summary>
    /// <returns>Null for a network without one.</returns>
    /// <exception cref="InputException">It cannot be put into another graph.</exception>
    public static OnnxBackbone? Of(DualBranchNetwork network)
    {
        if (network is not FrozenBackboneNetwork { Model: var backbone })
        {
            return null;
        }

        var path = backbone.Settings.Path!;
        var model = BackboneFile.Read(path);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (BackboneFile.ExternalFiles(model).Prepend(Path.GetFileName(path)).Sum(file => new FileInfo(Path.Combine(folder, file)).Length) > LargestFile)
        {
            throw Refused(path, "it is larger than the 2 GB that one ONNX file can have");
        }

        if (model.Graph.Node.SelectMany(node => node.Attribute).Any(attribute => attribute.Type is AttributeType.Graph or AttributeType.Graphs))
        {
            throw Refused(path, "it has branches or loops (If, Loop, Scan)");
        }

        var version = (int)model.OpsetImport.Where(set => IsOnnx(set.Domain)).Select(set => set.Version).DefaultIfEmpty(1).Max();
        if (version < OldestOperatorSet)
        {
            Lift(model, version, path);
            version = OnnxModel.OperatorSet;
        }

        foreach (var tensor in model.Graph.Initializer.Where(tensor => tensor.ExternalData.Count > 0))
        {
            Embed(tensor, folder);
        }

        return new OnnxBackbone(backbone, model, version);
    }

    /// <summary>Adds the backbone.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pixels">Name of the images, (N, 3, H, W) float32 in [0, 1].</param>
    /// <returns>Name of the features, (N, F).</returns>
    public string Add(OnnxGraph graph, string pixels)
    {
        var message = graph.Message;
        message.Node.Add(new NodeProto { OpType = "Identity", Name = Prefix + "input", Input = { Normalised(graph, pixels) }, Output = { Prefix + backbone.Graph.Input } });
        foreach (var tensor in model.Graph.Initializer)
        {
            var renamed = tensor.Clone();
            renamed.Name = Prefix + tensor.Name;
            message.Initializer.Add(renamed);
        }

        foreach (var node in model.Graph.Node)
        {
            var renamed = node.Clone();
            renamed.Name = Prefix + node.Name;
            Rename(renamed.Input);
            Rename(renamed.Output);
            message.Node.Add(renamed);
        }

        var output = Prefix + backbone.Graph.Output;
        return graph.Add("Flatten", backbone.Graph.Reading switch
        {
            FeatureReading.ClassToken => graph.Slice(output, 0, 1, 1),
            FeatureReading.Map => graph.Add("GlobalAveragePool", output),
            _ => output,
        });
    }

    // An empty name stands for an input that is left out.
    private static void Rename(RepeatedField<string> names)
    {
        for (var i = 0; i < names.Count; i++)
        {
            names[i] = names[i].Length == 0 ? "" : Prefix + names[i];
        }
    }

    private static void Lift(ModelProto model, int version, string path)
    {
        var foreign = model.Graph.Node.FirstOrDefault(node => !lifted.Contains(node.OpType) || !IsOnnx(node.Domain));
        if (version < OldestLifted || foreign is not null || model.Graph.Node.SelectMany(node => node.Attribute).Any(attribute => attribute is { Name: Spatial, I: 0 }))
        {
            throw Refused(
                path,
                $"its operators are of version {version}{(foreign is null ? "" : $", of which {foreign.OpType} means something else today")}; export it anew with opset {OldestOperatorSet} or newer");
        }

        foreach (var node in model.Graph.Node)
        {
            if (node.Attribute.FirstOrDefault(attribute => attribute.Name == Spatial) is { } dropped)
            {
                node.Attribute.Remove(dropped);
            }
        }
    }

    private static void Embed(TensorProto tensor, string folder)
    {
        var entries = tensor.ExternalData.ToDictionary(entry => entry.Key, entry => entry.Value);
        using var file = File.OpenRead(Path.Combine(folder, entries["location"]));
        file.Position = entries.TryGetValue("offset", out var offset) ? long.Parse(offset, System.Globalization.CultureInfo.InvariantCulture) : 0;
        var length = entries.TryGetValue("length", out var given) ? int.Parse(given, System.Globalization.CultureInfo.InvariantCulture) : (int)(file.Length - file.Position);
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
        tensor.ExternalData.Clear();
        tensor.DataLocation = 0;
    }

    private static bool IsOnnx(string domain) => domain is "" or "ai.onnx";

    private static InputException Refused(string path, string why) =>
        new($"The backbone {path} cannot be put into one ONNX file with what was trained on it: {why}. Nothing was written; use score, serve or the class Detector.");

    private string Normalised(OnnxGraph graph, string pixels)
    {
        var (scale, mean, deviation) = backbone.Settings.Normalisation();
        var ordered = backbone.Settings.Channels == ChannelOrder.Rgb ? pixels : graph.Add("Gather", [pixels, graph.Constant(2L, 1, 0)], "axis", 1);
        var scaled = scale == 1 ? ordered : graph.Add("Mul", ordered, graph.Scalar(scale));
        var normalised = graph.Add("Div", graph.Add("Sub", scaled, graph.Constant(mean, 1, 3, 1, 1)), graph.Constant(deviation, 1, 3, 1, 1));
        return backbone.Graph.ChannelsLast ? graph.Add("Transpose", [normalised], ("perm", [0, 2, 3, 1])) : normalised;
    }
}
