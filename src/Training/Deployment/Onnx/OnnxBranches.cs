using Pascl.Training.Evaluation;
using Pascl.Training.Model;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>The branches of a network in a graph. Each is added when it is first asked for, so that one that nothing is read from is left out.</summary>
/// <param name="graph">The graph.</param>
/// <param name="pixels">Name of the images, (N, 3, H, W) float32 in [0, 1].</param>
/// <param name="network">The network.</param>
internal sealed class OnnxBranches(OnnxGraph graph, string pixels, DualBranchResNet network)
{
    private readonly Dictionary<Branch, string> outputs = [];
    private readonly Readout readout = Readout.Of(network);

    /// <summary>Name of the logits of the classes, (N, C).</summary>
    public string ClassLogits(Branch branch) => OnnxReadout.ClassLogits(graph, readout, branch, Outputs(branch));

    /// <summary>Name of the method's own score, (N), where it reads more than the logits of the classes.</summary>
    public string OwnScore() => OnnxReadout.Score(graph, readout, Outputs(readout.ScoreBranch));

    // (N, columns of the classifier)
    private string Outputs(Branch branch)
    {
        if (!outputs.TryGetValue(branch, out var name))
        {
            outputs.Add(branch, name = Add(network.Fold(branch)));
        }

        return name;
    }

    private string Add(FoldedNetwork folded)
    {
        var hidden = graph.Add("Relu", Add(pixels, folded.Stem));
        foreach (var block in folded.Blocks)
        {
            var first = graph.Add("Relu", Add(hidden, block.First));
            var around = block.Shortcut is { } shortcut ? Add(hidden, shortcut) : hidden;
            hidden = graph.Add("Relu", graph.Add("Add", Add(first, block.Second), around));
        }

        var features = graph.Add("Flatten", graph.Add("GlobalAveragePool", hidden));
        var weight = graph.Constant(folded.ClassifierWeight, folded.Columns, folded.FeatureCount);
        return graph.Add("Gemm", [features, weight, graph.Constant(folded.ClassifierBias, folded.Columns)], "transB", 1);
    }

    private string Add(string input, FoldedConvolution convolution) => graph.Add(
        "Conv",
        [input, graph.Constant(convolution.Weight, convolution.Shape), graph.Constant(convolution.Bias, convolution.Bias.Length)],
        ("strides", [convolution.Stride, convolution.Stride]),
        ("pads", [convolution.Padding, convolution.Padding, convolution.Padding, convolution.Padding]));
}
