using Pascl.Training.Evaluation;
using Pascl.Training.Model;

namespace Pascl.Training.Deployment.Onnx;

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
    /// <returns>Name of the logits, (N, C).</returns>
    /// <exception cref="InputException">The reading cannot be exported.</exception>
    public static string ClassLogits(OnnxGraph graph, Readout readout, Branch branch, string outputs) => readout switch
    {
        LogitReadout => outputs,
        OutlierColumnReadout columns => Calibrated(graph, columns, branch, outputs),

        // log( (1/m) sum over the heads of p_c )
        AbstentionReadout heads => graph.Add(
            "Sub",
            graph.LogSumExp(graph.Slice(LogProbabilities(graph, heads, outputs), 0, heads.ClassCount, HeadColumns), Heads),
            graph.Scalar((float)Math.Log(heads.HeadCount))),
        _ => throw NotKnown(readout),
    };

    /// <summary>Adds the method's own score, where it reads more than the logits of the classes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="readout">How the method reads its network.</param>
    /// <param name="outputs">Name of the outputs of <see cref="Readout.ScoreBranch"/>'s classifier, (N, columns).</param>
    /// <returns>Name of the scores, (N).</returns>
    /// <exception cref="InputException">The reading cannot be exported.</exception>
    public static string Score(OnnxGraph graph, Readout readout, string outputs) => readout switch
    {
        // exp(z'_C) / (exp(z'_C) + sum_c exp(z'_c)) = sigmoid(z'_C - log sum_c exp(z'_c))
        OutlierColumnReadout columns => graph.Add(
            "Sigmoid",
            graph.Add(
                "Sub",
                graph.Add("Squeeze", graph.Slice(outputs, columns.ClassCount, columns.ClassCount + 1, Columns), graph.Constant(Columns)),
                graph.LogSumExp(Calibrated(graph, columns, readout.ScoreBranch, outputs), Columns))),
        AbstentionReadout heads => graph.Mean(
            graph.Add("Exp", graph.LogSumExp(graph.Slice(LogProbabilities(graph, heads, outputs), heads.ClassCount, long.MaxValue, HeadColumns), HeadColumns)), Heads),
        _ => throw NotKnown(readout),
    };

    private static string Calibrated(OnnxGraph graph, OutlierColumnReadout readout, Branch branch, string outputs)
    {
        var adjustment = Array.ConvertAll(readout.Adjustment(branch), value => (float)value);
        return graph.Add("Sub", graph.Slice(outputs, 0, readout.ClassCount, Columns), graph.Constant(adjustment, adjustment.Length));
    }

    private static string LogProbabilities(OnnxGraph graph, AbstentionReadout readout, string outputs) =>
        graph.Add("LogSoftmax", [graph.Add("Reshape", outputs, graph.Constant(0, readout.HeadCount, -1))], "axis", HeadColumns);

    private static InputException NotKnown(Readout readout) =>
        new($"The reading of the score {readout.ScoreName} cannot be exported as ONNX; export the weights as safetensors.");
}
