using Pascl.Training.Data;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>
/// Runs a model over the in-distribution test set and the out-of-distribution sets, every image once, and measures it three ways: the main
/// branch alone, the auxiliary branch alone, and as it is deployed, with the class from the auxiliary branch and the method's own score, which
/// most methods take from the main branch.
/// </summary>
public sealed class Evaluator
{
    private readonly ImageSet test;
    private readonly Predictions testPredictions;
    private readonly IReadOnlyList<(ImageSet Images, Predictions Predictions)> outOfDistribution;
    private readonly EvaluationProtocol protocol;
    private readonly ShotGroups groups;

    private Evaluator(
        Func<ImageSet, Predictions> predict, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol)
    {
        (this.test, this.protocol) = (test, protocol);
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
        Func<ImageSet, Predictions> predict, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol) =>
        Of(predict, test, outOfDistribution, protocol).Report();

    /// <summary>Runs a model over every image once; what it says can then be looked at in several ways. Arguments and errors are those of
    /// <see cref="Evaluate"/>.</summary>
    public static Evaluator Of(
        Func<ImageSet, Predictions> predict, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, EvaluationProtocol protocol)
    {
        EvaluationInputs.Check(test, outOfDistribution, protocol);
        return new Evaluator(predict, test, outOfDistribution, protocol);
    }

    private static Predictions Predict(Func<ImageSet, Predictions> predict, ImageSet images)
    {
        var predictions = predict(images);
        EvaluationInputs.Check(images, predictions);
        return predictions;
    }

    private ScoredImages DeployedTest => Score(test, testPredictions, DeployedScore, Branch.Auxiliary);

    private IEnumerable<ScoredImages> DeployedSets =>
        outOfDistribution.Select(set => Score(set.Images, set.Predictions, DeployedScore, Branch.Auxiliary));

    private Branch DeployedScore => testPredictions.Readout.ScoreBranch;

    /// <summary>Every number. An average over no sets is left out.</summary>
    public EvaluationReport Report() => new()
    {
        ClassNames = test.ClassNames,
        TrainingCounts = protocol.TrainingCounts,
        ShotRule = groups.Rule,
        ShotGroups = [.. Enumerable.Range(0, groups.ClassCount).Select(c => groups[c])],
        TailClasses = [.. Enumerable.Range(0, groups.ClassCount).Where(c => protocol.TailClasses[c])],
        TestImages = test.Count,
        Score = testPredictions.Readout.ScoreName,
        Conventions = ReportConventions.For(testPredictions.Readout),
        Main = Read(Branch.Main, Branch.Main),
        Auxiliary = Read(Branch.Auxiliary, Branch.Auxiliary),
        Deployed = Read(DeployedScore, Branch.Auxiliary),
        Worst = WorstImages.Pick(DeployedTest, [.. DeployedSets]),
    };

    /// <summary>What is drawn of the deployed score.</summary>
    internal DetectionFigures Figures() => DetectionFigures.Of(DeployedTest, [.. DeployedSets], protocol.TailClasses);

    private ReadingReport Read(Branch scoreBranch, Branch classBranch)
    {
        var outcome = new TestOutcome(Score(test, testPredictions, scoreBranch, classBranch), groups, protocol.TailClasses);
        var risk = RiskCoverage.From(outcome.Scores, outcome.Errors);
        var sets = outOfDistribution.Select(set => Detect(outcome, Score(set.Images, set.Predictions, scoreBranch, classBranch))).ToArray();
        var average = sets.Length == 0 ? null : OodResult.Mean([.. sets.Select(set => set.Result)]);
        return new()
        {
            ScoreBranch = scoreBranch,
            ClassBranch = classBranch,
            Classification = outcome.Classification(),
            Confusion = outcome.Confusion(),
            Reliability = outcome.Reliability([.. testPredictions[classBranch].Scores(OodScores.MaximumSoftmax).Select(score => 1 - score)]),
            Risk = risk.Areas(),
            RiskCoverage = risk.Curve(),
            Sets = sets,
            Average = average,
            TailRejections = average is null ? [] : TailRejections(average.OperatingPoints[OperatingPoint.At95].RejectionPerClass),
        };
    }

    private static ScoredImages Score(ImageSet images, Predictions predictions, Branch scoreBranch, Branch classBranch) =>
        new(images, predictions.Scores(scoreBranch), predictions[classBranch].Classes());

    private static OodSetReport Detect(TestOutcome test, ScoredImages set)
    {
        var (outScores, furtherScores) = ScoredImages.Part(set.Images, set.Scores);
        return new OodSetReport(
            set.Images.Name, outScores.Length, test.Scores.Length + furtherScores.Length, test.Detect(outScores, furtherScores));
    }

    private ClassRejection[] TailRejections(double[] rejectionPerClass) =>
    [
        .. Enumerable.Range(0, groups.ClassCount)
            .Where(label => protocol.TailClasses[label] && !double.IsNaN(rejectionPerClass[label]))
            .OrderByDescending(label => rejectionPerClass[label])
            .Select(label => new ClassRejection(label, test.ClassNames[label], protocol.TrainingCounts[label], rejectionPerClass[label])),
    ];
}
