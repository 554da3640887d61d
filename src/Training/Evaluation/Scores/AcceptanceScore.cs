using Pascl.Training.Checkpoints;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// The score by which a deployed model accepts or rejects images: the method's own, whatever its network has behind the features, or a function of the class logits
/// of the main branch.
/// </summary>
internal sealed class AcceptanceScore
{
    private readonly OodScore? ofLogits;

    private AcceptanceScore(string name, ScoreSpecification? specification, OodScore? ofLogits) =>
        (Name, Specification, this.ofLogits) = (name, specification, ofLogits);

    /// <summary>The name with the values of its parameters; <see cref="Of(string?, Readout, IReadOnlyList{int})"/> reads it back.</summary>
    public string Name { get; }

    /// <summary>The function of the logits; null for the own score of a method that reads more than those.</summary>
    public ScoreSpecification? Specification { get; }

    /// <summary>Reads a score.</summary>
    /// <param name="text"><c>NAME</c> or <c>NAME:PARAMETER=VALUE</c>; null for the method's own.</param>
    /// <param name="readout">How the method reads its network.</param>
    /// <param name="trainingCounts">Training images of each class.</param>
    /// <exception cref="InputException">There is no such score, or it needs more than a deployed model has.</exception>
    public static AcceptanceScore Of(string? text, Readout readout, IReadOnlyList<int> trainingCounts)
    {
        // The own score of a plain classifier is one of the logits like any other.
        if ((text ?? readout.ScoreName) == readout.ScoreName && readout is not LogitReadout)
        {
            return new AcceptanceScore(readout.ScoreName, null, null);
        }

        var specification = ScoreSpecification.Parse(text ?? readout.ScoreName);
        return new AcceptanceScore(specification.ToString(), specification, specification.OfLogits(trainingCounts));
    }

    /// <summary>Reads a score of a run, before its network or its images are loaded.</summary>
    /// <param name="text">As above.</param>
    /// <param name="info">What the run's checkpoint says.</param>
    /// <param name="recipe">How it was trained.</param>
    /// <exception cref="InputException">There is no such score, or it needs more than a deployed model has.</exception>
    public static AcceptanceScore Of(string? text, CheckpointInfo info, Recipe recipe) =>
        Of(text, MethodDefinition.Of(recipe.Method).Head(recipe, info.ClassNames.Count).Readout([]), info.TrainingCounts);

    /// <summary>The score of every image.</summary>
    public double[] Of(Predictions predictions) =>
        ofLogits is null ? predictions.Scores(predictions.Readout.ScoreBranch) : predictions.Main.Scores(ofLogits);
}
