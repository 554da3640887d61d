namespace Pascl.Training.Evaluation.Scores;

/// <summary>An out-of-distribution score as the literature defines it: higher = more out-of-distribution. <see cref="ScoreKinds"/> lists all.</summary>
/// <remarks>
/// Symbols: z logits of the main branch, p = softmax(z), C classes, n_c training images of class c, pi_c = n_c / sum n the class prior, f features of the main
/// branch. Everything is computed in double from float32 logits and features.
/// </remarks>
public abstract class ScoreKind
{
    private protected ScoreKind(string name, string definition, string source, params ScoreParameter[] parameters) =>
        (Name, Definition, Source, Parameters) = (name, definition, source, parameters);

    /// <summary>How it is called on the command line and in files, for example <c>max-logit</c>.</summary>
    public string Name { get; }

    /// <summary>The equation, and what it does in cases that the equation leaves open.</summary>
    public string Definition { get; }

    /// <summary>Who defined it.</summary>
    public string Source { get; }

    /// <summary>The numbers it can be given.</summary>
    public IReadOnlyList<ScoreParameter> Parameters { get; }

    /// <summary>
    /// Whether the logits of an image and the training counts are all that it needs. Both are at hand wherever a checkpoint is deployed, so a threshold can be
    /// stored for such a score alone.
    /// </summary>
    public virtual bool IsOfLogits => false;

    /// <summary>Makes the score ready for one model: the function from a pass over some images to their scores.</summary>
    internal abstract Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting);
}
