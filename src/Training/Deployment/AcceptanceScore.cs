using Pascl.Training.Checkpoints;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Deployment;

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
        Of(text, MethodDefinition.Find(recipe.Method).Head(recipe, info.ClassNames.Count).Readout([]), info.TrainingCounts);

    public double[] Of(Predictions predictions) =>
        ofLogits is null ? predictions.Scores(predictions.Readout.ScoreBranch) : predictions.Main.Scores(ofLogits);
}

/// <summary>The threshold on a score that accepts a given share of images; an image is accepted if its score is at most the threshold.</summary>
public static class AcceptanceThreshold
{
    /// <summary>
    /// The middle between the last score that is accepted and the first that is not. The last one is the k-th lowest with the smallest k for which k / n is at least the
    /// share; images that tie with it are accepted too, so that more may be accepted than asked for. In the middle, no image of these lies so near that the last digit of
    /// another implementation decides about it. Where all are accepted it is the highest score.
    /// </summary>
    /// <param name="scores">Scores of n in-distribution images, at least one.</param>
    /// <param name="share">Above 0 and at most 1.</param>
    /// <exception cref="InputException">The share is out of its range.</exception>
    /// <exception cref="ArgumentException">There are no scores.</exception>
    public static double Of(IReadOnlyList<double> scores, double share)
    {
        CheckRate(share, "The share of images to accept");
        if (scores.Count == 0)
        {
            throw new ArgumentException("There are no scores; a threshold needs at least one.");
        }

        double[] sorted = [.. scores.Order()];

        // In whole numbers of images: share * n can round to either side of one.
        var accepted = Math.Max(1, (int)(share * sorted.Length) - 1);
        while (accepted / (double)sorted.Length < share)
        {
            accepted++;
        }

        var last = sorted[accepted - 1];
        var next = Array.FindIndex(sorted, accepted, score => score > last);
        return next < 0 ? last : last + ((sorted[next] - last) / 2);
    }

    internal static void CheckRate(double share, string name)
    {
        if (!(share > 0 && share <= 1))
        {
            throw new InputException(FormattableString.Invariant($"{name} is {share}; it must be above 0 and at most 1, such as 0.95."));
        }
    }
}
