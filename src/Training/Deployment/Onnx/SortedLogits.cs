namespace Pascl.Training.Deployment.Onnx;

/// <summary>
/// Names of what the scores are made of, for the logits z of a batch, per image: with d = z - max z of every class but the best, e = exp(d) and s = sum e. The
/// softmax of the best class is 1 / (1 + s). Sorting takes exactly one class out where several share the highest logit.
/// </summary>
/// <param name="Top">(N): max z.</param>
/// <param name="Differences">(N, C - 1): d.</param>
/// <param name="Exponentials">(N, C - 1): e.</param>
/// <param name="OtherSum">(N): s.</param>
/// <param name="Total">(N): 1 + s.</param>
internal sealed record SortedLogits(string Top, string Differences, string Exponentials, string OtherSum, string Total)
{
    /// <summary>Adds the nodes that compute them.</summary>
    public static SortedLogits Of(OnnxGraph graph, string logits, int classCount)
    {
        var sorted = graph.AddSeveral("TopK", [logits, graph.Constant(classCount)], outputs: 2)[0];
        var best = graph.Slice(sorted, 0, 1, dimension: 1);
        var others = graph.Slice(sorted, 1, classCount, dimension: 1);
        var differences = graph.Add("Sub", others, best);
        var exponentials = graph.Add("Exp", differences);
        var sum = graph.SumOfColumns(exponentials);
        return new SortedLogits(graph.Add("Squeeze", best, graph.Constant(1)), differences, exponentials, sum, graph.Add("Add", sum, graph.Scalar(1)));
    }
}
