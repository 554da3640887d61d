namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score made ready for one model.</summary>
public sealed class FittedScore
{
    private readonly Func<FeaturePass, double[]> scores;

    internal FittedScore(ScoreSpecification specification, Func<FeaturePass, double[]> scores) =>
        (Specification, this.scores) = (specification, scores);

    /// <summary>The score and its parameters.</summary>
    public ScoreSpecification Specification { get; }

    /// <summary>The score of every image of a pass: higher = more out-of-distribution.</summary>
    /// <exception cref="InputException">A score is not a number, because the model's logits or features are not finite.</exception>
    public double[] Scores(FeaturePass pass)
    {
        var result = scores(pass);
        return Array.FindIndex(result, double.IsNaN) is >= 0 and var image
            ? throw new InputException(
                $"The score {Specification} of {pass.Images.Source(image)} in {pass.Images.Name} is not a number: the model's logits or features are not " +
                "finite. Its training diverged; train again with a lower learning rate.")
            : result;
    }
}
