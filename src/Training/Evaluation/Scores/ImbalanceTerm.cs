namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// What is added to a detector's confidence to make up for the imbalance of the training set: s log beta, beta = (1/C) sum_c p_c / pi_c. It is larger for
/// images that are taken for rare classes. The model must not have been trained with logit adjustment, or the prior is removed twice; the main branch
/// never is.
/// </summary>
internal static class ImbalanceTerm
{
    public const string Definition = "s log( (1/C) sum p / pi )";

    public const string Source = "ImOOD, post-hoc form: Liu et al., NeurIPS 2024 (arXiv 2407.16430)";

    private const string StrengthName = "strength";

    /// <summary>s; its usual value depends on the range of the detector.</summary>
    public static ScoreParameter Strength(double usual) => new(StrengthName, usual, "s", ScoreParameterRange.NonNegative);

    /// <summary>The term as a function of an image's logits.</summary>
    public static OodScore Of(ScoreSpecification specification, double[] prior)
    {
        var strength = specification.Values[StrengthName];
        return logits => strength * ClassPrior.LogRarity(Softmax.Of(logits), prior);
    }
}
