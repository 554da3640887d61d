namespace Pascl.Training.Evaluation.Scores;

/// <summary>1 - max_c p_c, see <see cref="OodScores.MaximumSoftmax(ReadOnlySpan{float})"/>.</summary>
internal sealed class MaximumSoftmaxScore() : LogitScoreKind("msp", "1 - max p", "Hendrycks and Gimpel, ICLR 2017")
{
    internal override OodScore Of(ScoreSpecification specification, double[] prior) => OodScores.MaximumSoftmax;
}
