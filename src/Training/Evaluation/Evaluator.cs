using Pascl.Training.Data;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>
/// Runs a model over the in-distribution test set and the out-of-distribution sets, every image once, and measures it three ways: the main
/// branch alone, the auxiliary branch alone, and as it is deployed, with the score from the main branch and the class from the auxiliary
/// branch.
/// </summary>
public sealed class Evaluator
{
    private readonly ImageSet test;
    private readonly int[] testLabels;
    private readonly Predictions testPredictions;
    private readonly IReadOnlyList<(ImageSet Images, Predictions Predictions)> outOfDistribution;
    private readonly EvaluationProtocol protocol;
    private readonly ShotGroups groups;

    private Evaluator(
        Func<ImageSet, Predictions> predict, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol)
    {
        (this.test, testLabels, this.protocol) = (test, test.Labels.ToArray(), protocol);
        groups = ShotGroups.From(protocol.TrainingCounts, protocol.ShotRule);
        testPredictions = Predict(predict, test);
        this.outOfDistribution = [.. outOfDistribution.Select(images => (images, Predict(predict, images)))];
    }

    /// <summary>Evaluates a model. An average over no sets is left out of the report.</summary>
    /// <param name="predict">The model in evaluation mode, for example <c>images => Predictions.Of(model, images)</c>.</param>
    /// <param name="test">In-distribution test images with their classes.</param>
    /// <param name="outOfDistribution">
    /// The sets to be detected. An image with a class (SC-OOD's <c>sc_label</c>) shows an in-distribution class and counts as
    /// in-distribution in its set.
    /// </param>
    /// <param name="protocol">How the classes are grouped.</param>
    /// <exception cref="InputException">
    /// A set is empty or has a label that is none of the model's, or the model gives logits that are not finite.
    /// </exception>
    public static EvaluationReport Evaluate(
        Func<ImageSet, Predictions> predict, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol)
    {
        EvaluationInputs.Check(test, outOfDistribution, protocol);
        return new Evaluator(predict, test, outOfDistribution, protocol).Report();
    }

    private static Predictions Predict(Func<ImageSet, Predictions> predict, ImageSet images)
    {
        var predictions = predict(images);
        EvaluationInputs.Check(images, predictions);
        return predictions;
    }

    private EvaluationReport Report() => new()
    {
        ClassNames = test.ClassNames,
        TrainingCounts = protocol.TrainingCounts,
        ShotRule = groups.Rule,
        ShotGroups = [.. Enumerable.Range(0, groups.ClassCount).Select(c => groups[c])],
        TailClasses = [.. Enumerable.Range(0, groups.ClassCount).Where(c => protocol.TailClasses[c])],
        TestImages = test.Count,
        Main = Read(Branch.Main, Branch.Main),
        Auxiliary = Read(Branch.Auxiliary, Branch.Auxiliary),
        Deployed = Read(Branch.Main, Branch.Auxiliary),
    };

    private ReadingReport Read(Branch scoreBranch, Branch classBranch)
    {
        var predictions = testPredictions[classBranch].Classes();
        var testScores = testPredictions[scoreBranch].Scores(OodScores.MaximumSoftmax);
        var sets = outOfDistribution.Select(set => Read(set.Images, set.Predictions[scoreBranch], testScores, predictions)).ToArray();
        return new ReadingReport(
            scoreBranch,
            classBranch,
            LongTailMetrics.Compute(testLabels, predictions, groups),
            sets,
            sets.Length == 0 ? null : OodResult.Mean([.. sets.Select(set => set.Result)]));
    }

    private OodSetReport Read(ImageSet images, Logits logits, double[] testScores, int[] predictions)
    {
        var scores = logits.Scores(OodScores.MaximumSoftmax);
        var labels = images.Labels.ToArray();
        double[] outScores = [.. scores.Where((_, i) => labels[i] == ImageSet.NoClass)];
        double[] inScores = [.. testScores, .. scores.Where((_, i) => labels[i] != ImageSet.NoClass)];
        var curve = RocCurve.From(outScores, inScores);
        var result = new OodResult(
            OodMetrics.Compute(curve),
            Auroc(outScores, testScores.Where((_, i) => protocol.TailClasses[testLabels[i]])),
            Auroc(outScores, testScores.Where((_, i) => !protocol.TailClasses[testLabels[i]])),
            OperatingPoint.Compute(curve, testScores, testLabels, predictions, groups));
        return new OodSetReport(images.Name, outScores.Length, inScores.Length, result);
    }

    private static double Auroc(double[] outScores, IEnumerable<double> inScores)
    {
        double[] chosen = [.. inScores];
        return chosen.Length == 0 ? double.NaN : RocCurve.From(outScores, chosen).Area();
    }
}
