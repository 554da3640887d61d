namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score of the logits of an image and the class prior alone.</summary>
internal abstract class LogitScoreKind : ScoreKind
{
    private protected LogitScoreKind(string name, string definition, string source, params ScoreParameter[] parameters)
        : base(name, definition, source, parameters)
    {
    }

    public override bool IsOfLogits => true;

    /// <summary>The function from the logits of an image to its score.</summary>
    /// <param name="specification">The values of the parameters.</param>
    /// <param name="prior">pi: the share of every class in the training images.</param>
    internal abstract OodScore Of(ScoreSpecification specification, double[] prior);

    internal sealed override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var score = Of(specification, fitting.Prior);
        return pass => pass.Predictions.Main.Scores(score);
    }
}
