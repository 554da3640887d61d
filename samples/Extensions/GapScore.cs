using Pascl.Training.Evaluation.Scores;

namespace Extensions;

/// <summary>A score: minus the gap between the two highest logits.</summary>
public sealed class GapScore() : LogitScore("gap", "z_(2) - z_(1), the second highest logit minus the highest", "this sample")
{
    /// <inheritdoc/>
    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits =>
    {
        var (first, second) = (double.NegativeInfinity, double.NegativeInfinity);
        foreach (var logit in logits)
        {
            (first, second) = logit > first ? (logit, first) : (first, Math.Max(second, logit));
        }

        return second - first;
    };
}
