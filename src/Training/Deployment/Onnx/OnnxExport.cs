using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Writes the deployed model as an ONNX file that was verified.</summary>
internal static class OnnxExport
{
    /// <summary>Writes the file if ONNX Runtime agrees with torch on the images, and returns how well.</summary>
    /// <exception cref="InputException">They do not agree, or the file could not be written; nothing was changed.</exception>
    public static OnnxAgreement Write(string path, DeployedModel deployed, PixelType input, ImageSet images)
    {
        var (model, agreement) = Verify(deployed, input, images);
        DurableFile.Replace(path, stream => stream.Write(model));
        return agreement;
    }

    /// <summary>Makes the file in memory if ONNX Runtime agrees with torch on the images, and returns how well.</summary>
    /// <exception cref="InputException">They do not agree.</exception>
    public static (byte[] Model, OnnxAgreement Agreement) Verify(DeployedModel deployed, PixelType input, ImageSet images)
    {
        var model = OnnxModel.Create(deployed, input).ToByteArray();
        var agreement = Compare(model, deployed, input, images);
        return agreement.Holds ? (model, agreement) : throw new InputException(FormattableString.Invariant(
            $"ONNX Runtime and torch disagree on {images.Name}: by {agreement.Logits:0.0e+0} in a logit, {agreement.Probabilities:0.0e+0} ")
            + FormattableString.Invariant($"in a probability, {agreement.Scores:0.0e+0} in a score ({OnnxAgreement.Allowed:0e+0} is allowed), ")
            + $"and in {agreement.Decisions} decisions. Nothing was written.");
    }

    // Of Pascl's own graphs none fails; that of a backbone may hold one image, or what its version of the operators does not.
    private static OnnxAgreement Compare(byte[] model, DeployedModel deployed, PixelType input, ImageSet images)
    {
        try
        {
            return OnnxVerification.Compare(model, deployed, input, images);
        }
        catch (OnnxRuntimeException exception) when (deployed.Network is FrozenBackboneNetwork { Backbone.Path: var path })
        {
            throw new InputException(
                $"The backbone {path} in one graph with what was trained on it cannot compute {images.Count} images: {BackboneGraph.FirstLine(exception)}. "
                + "Export the backbone with a batch of any size. Nothing was written.",
                exception);
        }
    }
}

/// <summary>The branches of a network in a graph. Each is added when it is first asked for, so that one that nothing is read from is left out.</summary>
/// <param name="graph">The graph.</param>
/// <param name="pixels">Name of the images, (N, 3, H, W) float32 in [0, 1].</param>
/// <param name="network">The network.</param>
/// <param name="backbone">What it stands on; null for a network that is whole.</param>
/// <param name="arithmetic">In which numbers its convolutions are computed.</param>
internal sealed class OnnxBranches(OnnxGraph graph, string pixels, DualBranchNetwork network, OnnxBackbone? backbone, OnnxArithmetic arithmetic)
{
    private readonly Lazy<string?> backboneFeatures = new(() => backbone?.Add(graph, pixels)); // (N, F)
    private readonly Lazy<string> images = new(() => network.Input.Normalisation is { } normalisation
        ? arithmetic.Pixels(graph, Normalised(graph, pixels, normalisation), isNormalised: true)
        : arithmetic.Pixels(graph, pixels, isNormalised: false));
    private readonly Dictionary<Branch, string> outputs = [];
    private readonly Readout readout = Readout.Of(network);

    /// <summary>Name of the logits of the classes, (N, C).</summary>
    public string ClassLogits(Branch branch) => OnnxReadout.ClassLogits(graph, readout, branch, Outputs(branch), network.Head.Columns);

    /// <summary>Name of the method's own score, (N), where it reads more than the logits of the classes.</summary>
    public string OwnScore() => OnnxReadout.Score(graph, readout, Outputs(readout.ScoreBranch), network.Head.Columns);

    /// <summary>Name of the outputs of a branch's classifier, (N, columns).</summary>
    public string Outputs(Branch branch)
    {
        if (!outputs.TryGetValue(branch, out var name))
        {
            if (backboneFeatures.Value is { } given && network is FrozenBackboneNetwork frozen)
            {
                name = Add(given, frozen.FoldHead(branch));
            }
            else
            {
                var folded = network.Fold(branch)
                    ?? throw new InputException("This network cannot be exported as ONNX: it has no form without BatchNorm. Nothing was written.");
                name = Add(folded, branch);
            }

            outputs.Add(branch, name);
        }

        return name;
    }

    private string Add(string given, FoldedHead head) => Linear(
        graph.Add("Relu", Linear(given, head.Weight, head.Bias)), head.ClassifierWeight, head.ClassifierBias);

    private string Linear(string input, float[] weight, float[] bias) => graph.Add(
        "Gemm", [input, graph.Constant(weight, bias.Length, weight.Length / bias.Length), graph.Constant(bias, bias.Length)], "transB", 1);

    private string Add(FoldedNetwork folded, Branch branch)
    {
        var place = 0;
        var hidden = Between(graph.Add("Relu", Add(images.Value, folded.Stem)));
        if (folded.Pooling is { } pooling)
        {
            hidden = graph.Add(
                "MaxPool",
                [hidden],
                ("kernel_shape", [pooling.Kernel, pooling.Kernel]),
                ("strides", [pooling.Stride, pooling.Stride]),
                ("pads", [pooling.Padding, pooling.Padding, pooling.Padding, pooling.Padding]));
            hidden = Between(hidden, place);
        }

        foreach (var block in folded.Blocks)
        {
            var path = Add(hidden, block.Path[0]);
            foreach (var convolution in block.Path.Skip(1))
            {
                path = Add(Between(graph.Add("Relu", path)), convolution);
            }

            var around = block.Shortcut is { } shortcut ? Between(Add(hidden, shortcut)) : hidden;
            hidden = Between(graph.Add("Relu", graph.Add("Add", Between(path), around)));
        }

        return Linear(graph.Add("Flatten", graph.Add("GlobalAveragePool", hidden)), folded.ClassifierWeight, folded.ClassifierBias);

        string Between(string value, int? same = null) => arithmetic.Between(graph, $"{branch}.{same ?? ++place}", value);
    }

    private string Add(string input, FoldedConvolution convolution)
    {
        var (weight, bias) = arithmetic.Weights(graph, input, convolution);
        return graph.Add(
            "Conv",
            [input, weight, bias],
            ("strides", [convolution.Stride, convolution.Stride]),
            ("pads", [convolution.Padding, convolution.Padding, convolution.Padding, convolution.Padding]));
    }

    private static string Normalised(OnnxGraph graph, string pixels, ChannelNormalisation normalisation) =>
        graph.Add("Div", graph.Add("Sub", pixels, Channels(graph, normalisation.Mean)), Channels(graph, normalisation.StandardDeviation));

    private static string Channels(OnnxGraph graph, IReadOnlyList<float> values) => graph.Constant([.. values], 1, values.Count, 1, 1);
}

/// <summary>What an exported model says about N images with C classes.</summary>
/// <param name="Logits">(N, C), row-major.</param>
/// <param name="Probabilities">(N, C), row-major.</param>
/// <param name="Scores">(N): the out-of-distribution scores.</param>
/// <param name="Accepted">(N): the decisions; null where the model has no threshold.</param>
internal sealed record OnnxOutputs(float[] Logits, float[] Probabilities, float[] Scores, bool[]? Accepted);

/// <summary>The readings of the methods as nodes of a graph, each the equation of its <see cref="Readout"/>.</summary>
internal static class OnnxReadout
{
    // Dimensions of the outputs, (N, columns), and of EAT's heads, (N, heads, columns of a head).
    private const long Columns = 1;
    private const long Heads = 1;
    private const long HeadColumns = 2;

    /// <summary>Adds the logits of the classes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="readout">How the method reads its network.</param>
    /// <param name="branch">The branch that the outputs are of.</param>
    /// <param name="outputs">Name of the outputs of the branch's classifier, (N, columns).</param>
    /// <param name="columnCount">Columns of the classifier; a batch of no image leaves none to be counted.</param>
    /// <returns>Name of the logits, (N, C).</returns>
    /// <exception cref="InputException">The reading cannot be exported.</exception>
    public static string ClassLogits(OnnxGraph graph, Readout readout, Branch branch, string outputs, int columnCount) => readout switch
    {
        LogitReadout => outputs,
        OutlierColumnReadout columns => Calibrated(graph, columns, branch, outputs),

        // log( (1/m) sum over the heads of p_c )
        AbstentionReadout heads => graph.Add(
            "Sub",
            graph.LogSumExp(graph.Slice(LogProbabilities(graph, heads, outputs, columnCount), 0, heads.ClassCount, HeadColumns), Heads),
            graph.Scalar((float)Math.Log(heads.HeadCount))),
        _ => throw NotKnown(readout),
    };

    /// <summary>Adds the method's own score, where it reads more than the logits of the classes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="readout">How the method reads its network.</param>
    /// <param name="outputs">Name of the outputs of <see cref="Readout.ScoreBranch"/>'s classifier, (N, columns).</param>
    /// <param name="columnCount">Columns of the classifier.</param>
    /// <returns>Name of the scores, (N).</returns>
    /// <exception cref="InputException">The reading cannot be exported.</exception>
    public static string Score(OnnxGraph graph, Readout readout, string outputs, int columnCount) => readout switch
    {
        // exp(z'_C) / (exp(z'_C) + sum_c exp(z'_c)) = sigmoid(z'_C - log sum_c exp(z'_c))
        OutlierColumnReadout columns => graph.Add(
            "Sigmoid",
            graph.Add(
                "Sub",
                graph.SumOfColumns(graph.Slice(outputs, columns.ClassCount, columns.ClassCount + 1, Columns)),
                graph.LogSumExp(Calibrated(graph, columns, readout.ScoreBranch, outputs), Columns))),
        AbstentionReadout heads => graph.Mean(
            graph.Add("Exp", graph.LogSumExp(graph.Slice(LogProbabilities(graph, heads, outputs, columnCount), heads.ClassCount, long.MaxValue, HeadColumns), HeadColumns)), Heads),
        _ => throw NotKnown(readout),
    };

    private static string Calibrated(OnnxGraph graph, OutlierColumnReadout readout, Branch branch, string outputs)
    {
        var adjustment = Array.ConvertAll(readout.Adjustment(branch), value => (float)value);
        return graph.Add("Sub", graph.Slice(outputs, 0, readout.ClassCount, Columns), graph.Constant(adjustment, adjustment.Length));
    }

    private static string LogProbabilities(OnnxGraph graph, AbstentionReadout readout, string outputs, int columnCount) =>
        graph.Add("LogSoftmax", [graph.Add("Reshape", outputs, graph.Constant(0, readout.HeadCount, columnCount / readout.HeadCount))], "axis", HeadColumns);

    private static InputException NotKnown(Readout readout) =>
        new($"The reading of the score {readout.ScoreName} cannot be exported as ONNX; export the weights as safetensors.");
}

/// <summary>The score by which a deployed model accepts, as a graph: a function of the logits of the main branch, or the method's own where that reads more.</summary>
internal static class OnnxScore
{
    private static readonly Dictionary<string, Func<OnnxGraph, LogitParts, string>> graphs = new()
    {
        ["msp"] = (graph, logits) => graph.Add("Div", logits.OtherSum, logits.Total),
        ["max-logit"] = (graph, logits) => graph.Add("Neg", logits.Top),
        ["energy"] = (graph, logits) => graph.Add("Neg", graph.Add("Add", logits.Top, graph.Add("Log", logits.Total))),

        // With p = e / (1 + s): -sum p log p = log(1 + s) - (sum e d) / (1 + s).
        ["entropy"] = (graph, logits) => graph.Add(
            "Sub",
            graph.Add("Log", logits.Total),
            graph.Add("Div", graph.SumOfColumns(graph.Add("Mul", logits.Exponentials, logits.Differences)), logits.Total)),
    };

    /// <summary>The scores of logits that can be exported.</summary>
    public static IEnumerable<string> Names => graphs.Keys;

    /// <summary>Refuses a score that has no graph.</summary>
    /// <exception cref="InputException">It has none.</exception>
    public static void Require(OodScore score)
    {
        if (score.Spec is { } spec && !graphs.ContainsKey(spec.Name))
        {
            throw new InputException($"The score {spec.Name} cannot be exported; an ONNX model here computes {string.Join(", ", Names)}.");
        }
    }

    /// <summary>Adds a score to a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="score">One that has a graph.</param>
    /// <param name="branches">The branches in it.</param>
    /// <param name="classCount">C.</param>
    /// <returns>Name of the scores, (N).</returns>
    public static string Add(OnnxGraph graph, OodScore score, OnnxBranches branches, int classCount)
    {
        if (score.Spec is not { } spec)
        {
            return branches.OwnScore();
        }

        var build = graphs[spec.Name];
        var logits = branches.ClassLogits(Branch.Main);

        // Only the energy has one. It divides the logits first and multiplies the result.
        var temperature = spec.Values.GetValueOrDefault(EnergyScore.Temperature.Name, 1);
        return temperature == 1
            ? build(graph, LogitParts.Of(graph, logits, classCount))
            : graph.Add(
                "Mul",
                build(graph, LogitParts.Of(graph, graph.Add("Div", logits, graph.Scalar((float)temperature)), classCount)),
                graph.Scalar((float)temperature));
    }
}

/// <summary>
/// Names of what the scores are made of, for the logits z of a batch, per image: with d = z - max z, e = exp(d) of every class but the best and 0 for that one, and
/// s = sum e. The softmax of the best class is 1 / (1 + s). Exactly one class is the best where several share the highest logit. Sorting (TopK) would give the same;
/// ONNX Runtime ends the process in it on a batch of no image (microsoft/onnxruntime, 1.30).
/// </summary>
/// <param name="Top">(N): max z.</param>
/// <param name="Differences">(N, C): d.</param>
/// <param name="Exponentials">(N, C): e.</param>
/// <param name="OtherSum">(N): s.</param>
/// <param name="Total">(N): 1 + s.</param>
internal sealed record LogitParts(string Top, string Differences, string Exponentials, string OtherSum, string Total)
{
    private const long Columns = 1;

    /// <summary>Adds the nodes that compute them.</summary>
    public static LogitParts Of(OnnxGraph graph, string logits, int classCount)
    {
        var best = graph.Max(logits, Columns, keepsDimension: true);
        var index = graph.Add("ArgMax", [logits], "axis", Columns);
        var isBest = graph.Add("Equal", index, graph.Constant([.. Enumerable.Range(0, classCount).Select(label => (long)label)]));
        var differences = graph.Add("Sub", logits, best);
        var exponentials = graph.Add("Where", isBest, graph.Scalar(0), graph.Add("Exp", differences));
        var sum = graph.SumOfColumns(exponentials);
        return new LogitParts(graph.Max(logits, Columns), differences, exponentials, sum, graph.Add("Add", sum, graph.Scalar(1)));
    }
}
