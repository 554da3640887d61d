using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;

namespace Pascl.Training.Deployment;

/// <summary>An out-of-distribution score that an exported model computes by itself from the logits of the main branch.</summary>
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

    private readonly ScoreSpecification specification;

    private DeployedScore(ScoreSpecification specification, OodScore reference) => (this.specification, Reference) = (specification, reference);

    /// <summary>The names of the scores that can be exported.</summary>
    public static IEnumerable<string> Names => graphs.Keys;

    /// <summary>The score with the values of its parameters, as <c>--score</c> takes it.</summary>
    public string Name => specification.ToString();

    /// <summary>The score of an image in double; the exported one is compared with it.</summary>
    public OodScore Reference { get; }

    // Only the energy has one. It divides the logits first and multiplies the result.
    private double Temperature => specification.Values.GetValueOrDefault(EnergyScore.Temperature.Name, 1);

    /// <summary>Reads a score.</summary>
    /// <param name="text"><c>NAME</c> or <c>NAME:PARAMETER=VALUE</c>.</param>
    /// <param name="trainingCounts">Training images of each class.</param>
    /// <exception cref="InputException">There is no such score, or it cannot be exported.</exception>
    public static DeployedScore Parse(string text, IReadOnlyList<int> trainingCounts)
    {
        var specification = ScoreSpecification.Parse(text);
        return graphs.ContainsKey(specification.Kind.Name)
            ? new DeployedScore(specification, specification.OfLogits(trainingCounts))
            : throw new InputException($"The score {specification.Kind.Name} cannot be exported; an ONNX model here computes {string.Join(", ", Names)}.");
    }

    /// <summary>Adds the score to a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="logits">Name of the main branch's logits, (N, C).</param>
    /// <param name="classCount">C.</param>
    /// <returns>Name of the scores, (N).</returns>
    public string AddTo(OnnxGraph graph, string logits, int classCount)
    {
        var build = graphs[specification.Kind.Name];
        return Temperature == 1
            ? build(graph, SortedLogits.Of(graph, logits, classCount))
            : graph.Add(
                "Mul",
                build(graph, SortedLogits.Of(graph, graph.Add("Div", logits, graph.Scalar((float)Temperature)), classCount)),
                graph.Scalar((float)Temperature));
    }
}
