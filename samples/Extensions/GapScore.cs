using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;

namespace Extensions;

/// <summary>A score: minus the gap between the two highest logits.</summary>
public sealed class GapScore() : LogitScoreKind("gap", "z_(2) - z_(1), the second highest logit minus the highest", "this sample")
{
    /// <inheritdoc/>
    public override OodScore OfLogits(ScoreSpecification specification, double[] prior) => logits =>
    {
        var (first, second) = (double.NegativeInfinity, double.NegativeInfinity);
        foreach (var logit in logits)
        {
            (first, second) = logit > first ? (logit, first) : (first, Math.Max(second, logit));
        }

        return second - first;
    };
}
