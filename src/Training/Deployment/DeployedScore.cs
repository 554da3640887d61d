using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Model;

namespace Pascl.Training.Deployment;

/// <summary>
/// An out-of-distribution score that an exported model computes by itself: one of the logits of the main branch, or the method's own where that reads more.
/// </summary>
internal sealed class DeployedScore
{
    private static readonly Dictionary<string, Func<OnnxGraph, SortedLogits, string>> graphs = new()
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

    private DeployedScore(AcceptanceScore reference) => Reference = reference;

    /// <summary>The names of the scores that can be exported.</summary>
    public static IEnumerable<string> Names => graphs.Keys;

    /// <summary>The score with the values of its parameters, as <c>--score</c> takes it.</summary>
    public string Name => Reference.Name;

    /// <summary>The score of an image in double; the exported one is compared with it.</summary>
    public AcceptanceScore Reference { get; }

    /// <summary>Makes a score ready for a graph.</summary>
    /// <exception cref="InputException">It cannot be exported.</exception>
    public static DeployedScore Of(AcceptanceScore score) => score.Specification is not { } specification || graphs.ContainsKey(specification.Kind.Name)
        ? new DeployedScore(score)
        : throw new InputException($"The score {specification.Kind.Name} cannot be exported; an ONNX model here computes {string.Join(", ", Names)}.");

    /// <summary>Adds the score to a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="branches">The branches in it.</param>
    /// <param name="classCount">C.</param>
    /// <returns>Name of the scores, (N).</returns>
    public string AddTo(OnnxGraph graph, OnnxBranches branches, int classCount)
    {
        if (Reference.Specification is not { } specification)
        {
            return branches.OwnScore();
        }

        var build = graphs[specification.Kind.Name];
        var logits = branches.ClassLogits(Branch.Main);

        // Only the energy has one. It divides the logits first and multiplies the result.
        var temperature = specification.Values.GetValueOrDefault(EnergyScore.Temperature.Name, 1);
        return temperature == 1
            ? build(graph, SortedLogits.Of(graph, logits, classCount))
            : graph.Add(
                "Mul",
                build(graph, SortedLogits.Of(graph, graph.Add("Div", logits, graph.Scalar((float)temperature)), classCount)),
                graph.Scalar((float)temperature));
    }
}
