using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Deployment;

/// <summary>An out-of-distribution score that an exported model can compute by itself from the logits of the main branch.</summary>
/// <param name="Name">What <c>--score</c> takes.</param>
/// <param name="Reference">The score in double; the exported one is compared with it.</param>
/// <param name="Build">Adds the score to a graph.</param>
internal sealed record DeployedScore(string Name, OodScore Reference, Func<OnnxGraph, SortedLogits, string> Build)
{
    /// <summary>Every score of this kind.</summary>
    public static IReadOnlyList<DeployedScore> All { get; } =
    [
        new("msp", OodScores.MaximumSoftmax, (graph, logits) => graph.Add("Div", logits.OtherSum, logits.Total)),
    ];

    /// <summary>The score of that name.</summary>
    /// <exception cref="InputException">There is none that can be exported; the message lists them.</exception>
    public static DeployedScore Find(string name) => All.FirstOrDefault(score => score.Name == name)
        ?? throw new InputException(
            $"The score {name} cannot be exported: an ONNX model here computes {string.Join(", ", All.Select(score => score.Name))}.");
}
