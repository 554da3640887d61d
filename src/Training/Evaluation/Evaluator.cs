using Pascl.Training.Data;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation;

/// <summary>
/// Runs a model over the in-distribution test set and the out-of-distribution sets, every image once, and measures it three ways: the main
/// branch alone, the auxiliary branch alone, and as it is deployed, with the class from the auxiliary branch and the method's own score, which
/// most methods take from the main branch.
/// </summary>
public sealed class Evaluator
{
    private readonly LabelledSet test;
    private readonly Predictions testPredictions;
    private readonly IReadOnlyList<EvaluatedSet> outOfDistribution;
    private readonly IReadOnlyList<EvaluatedSet> shifted;
    private readonly EvaluationProtocol protocol;
    private readonly ShotGroups groups;

    private Evaluator(EvaluatedSet test, IReadOnlyList<EvaluatedSet> others, EvaluationProtocol protocol)
    {
        (this.test, testPredictions, this.protocol) = (test.Images, test.Predictions, protocol);
        groups = ShotGroups.From(protocol.TrainingCounts, protocol.ShotRule);
        outOfDistribution = [.. others.Where(set => set.Images.Group != SetGroup.Shift)];
        shifted = [.. others.Where(set => set.Images.Group == SetGroup.Shift)];
    }

    /// <summary>Evaluates a model. An average over no sets is left out of the report.</summary>
    /// <param name="predict">The model in evaluation mode, for example <c>images => Predictions.Of(model, images)</c>.</param>
    /// <param name="test">In-distribution test images with their classes.</param>
    /// <param name="outOfDistribution">
    /// The sets to be detected. An image with a class (SC-OOD's <c>sc_label</c>) shows an in-distribution class and counts as
    /// in-distribution in its set. Sets of the group <see cref="SetGroup.Shift"/> show the classes and are in-distribution for the full-spectrum numbers.
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
        return new Evaluator(Predict(test), [.. outOfDistribution.Select(Predict)], protocol);

        EvaluatedSet Predict(ImageSet images)
        {
            var predictions = predict(images);
            predictions.Check(images);
            return new(images, predictions);
        }
    }

    /// <summary>The same of what a model has said already, here or elsewhere.</summary>
    internal static Evaluator Of(EvaluatedSet test, IReadOnlyList<EvaluatedSet> outOfDistribution, EvaluationProtocol protocol)
    {
        EvaluationInputs.Check(test.Images, [.. outOfDistribution.Select(set => set.Images)], protocol);
        foreach (var (images, predictions) in outOfDistribution.Prepend(test))
        {
            predictions.Check(images);
        }

        return new Evaluator(test, outOfDistribution, protocol);
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

    /// <summary>The deployed score and class of every image.</summary>
    public ImageScores Images() => new() { Test = ScoredSet.Of(DeployedTest), Sets = [.. DeployedSets.Select(ScoredSet.Of)] };

    /// <summary>What is drawn of the deployed score.</summary>
    internal DetectionFigures Figures() => DetectionFigures.Of(DeployedTest, [.. DeployedSets], protocol.TailClasses);

    private ReadingReport Read(Branch scoreBranch, Branch classBranch)
    {
        var outcome = new TestOutcome(Score(test, testPredictions, scoreBranch, classBranch), groups, protocol.TailClasses);
        var risk = RiskCoverage.From(outcome.Scores, outcome.Errors);
        var scored = outOfDistribution.Select(set => Score(set.Images, set.Predictions, scoreBranch, classBranch)).ToArray();
        var sets = scored.Select(set => Detect(outcome, set)).ToArray();
        var spectrum = shifted.Select(set => Score(set.Images, set.Predictions, scoreBranch, classBranch)).ToArray();
        var average = sets.Length == 0 ? null : OodResult.Mean([.. sets.Select(set => set.Result)]);
        return new()
        {
            ScoreBranch = scoreBranch,
            ClassBranch = classBranch,
            Classification = outcome.Classification(),
            Confusion = outcome.Confusion(),
            Calibration = outcome.Calibration([.. testPredictions[classBranch].Scores(logits => Softmax.OneMinusMaximum(logits)).Select(score => 1 - score)]),
            Risk = risk.Areas(),
            RiskCoverage = risk.Curve(),
            Sets = sets,
            Average = average,
            Groups = SetGroups.Means(sets, set => set.Group, (group, members) => new OodGroupReport(
                group, [.. members.Select(set => set.Name)], OodResult.Mean([.. members.Select(set => set.Result)]))),
            ShiftedSets = [.. spectrum.Select(set => new ShiftedSetReport(
                set.Images.Name, set.Images.Count, LongTailMetrics.Compute(set.Images.Labels, set.Predictions, groups)))],
            FullSpectrum = spectrum.Length == 0 || sets.Length == 0 ? null : DetectionBySet.Of(
                [.. outcome.Scores, .. spectrum.SelectMany(set => set.Scores)], [.. scored.Select(set => (set.Images, set.Scores))]),
            FullSpectrumAccuracy = spectrum.Length == 0 ? double.NaN : Accuracy([outcome.Test, .. spectrum]),
            TailRejections = average is null ? [] : TailRejections(average.OperatingPoints[OperatingPoint.At95].RejectionPerClass),
        };
    }

    private static double Accuracy(IReadOnlyList<ScoredImages> sets) =>
        sets.Sum(set => set.Predictions.Where((prediction, i) => prediction == set.Images.Labels[i]).Count()) / (double)sets.Sum(set => set.Images.Count);

    private static ScoredImages Score(LabelledSet images, Predictions predictions, Branch scoreBranch, Branch classBranch) =>
        new(images, predictions.Scores(scoreBranch), predictions[classBranch].Classes());

    private static OodSetReport Detect(TestOutcome test, ScoredImages set)
    {
        var (outScores, furtherScores) = DetectionBySet.Part(set.Images, set.Scores);
        return new OodSetReport(
            set.Images.Name, outScores.Length, test.Scores.Length + furtherScores.Length, test.Detect(outScores, furtherScores))
        {
            Group = set.Images.Group,
            Intervals = OodIntervals.Of(outScores, [.. test.Scores, .. furtherScores]),
        };
    }

    private ClassRejection[] TailRejections(double[] rejectionPerClass) =>
    [
        .. Enumerable.Range(0, groups.ClassCount)
            .Where(label => protocol.TailClasses[label] && !double.IsNaN(rejectionPerClass[label]))
            .OrderByDescending(label => rejectionPerClass[label])
            .Select(label => new ClassRejection(label, test.ClassNames[label], protocol.TrainingCounts[label], rejectionPerClass[label])),
    ];
}

/// <summary>What a model says about a set of images.</summary>
/// <param name="Images">The images.</param>
/// <param name="Predictions">Logits and scores.</param>
internal sealed record EvaluatedSet(LabelledSet Images, Predictions Predictions);

/// <summary>Refuses what cannot be evaluated, before numbers are made of it.</summary>
internal static class EvaluationInputs
{
    public static void Check(LabelledSet test, IReadOnlyList<LabelledSet> outOfDistribution, EvaluationProtocol protocol)
    {
        var classCount = protocol.TrainingCounts.Count;
        if (protocol.TailClasses.Count != classCount)
        {
            throw new ArgumentException(
                $"There are {classCount} training counts but {protocol.TailClasses.Count} tail flags; there must be one per class.");
        }

        if (test.Count == 0)
        {
            throw new InputException($"The test set {test.Name} has no images; an evaluation needs at least one.");
        }

        var unclassified = test.Labels.IndexOf(ImageSet.NoClass);
        if (unclassified >= 0)
        {
            throw new InputException($"{test.Source(unclassified)} in the test set {test.Name} has no class; every test image needs one.");
        }

        if (outOfDistribution.GroupBy(set => set.Name).FirstOrDefault(sets => sets.Count() > 1) is { } same)
        {
            throw new InputException(
                $"Two out-of-distribution sets are called {same.Key}, so their numbers could not be told apart; name them: --ood NAME=PATH.");
        }

        CheckLabels(test, classCount);
        foreach (var set in outOfDistribution)
        {
            CheckLabels(set, classCount);
            if (set.Group == SetGroup.Shift)
            {
                CheckShifted(set);
            }
            else if (!set.Labels.Contains(ImageSet.NoClass))
            {
                throw new InputException(
                    $"The out-of-distribution set {set.Name} has {set.Count} images and none that is out of distribution " +
                    $"(label {ImageSet.NoClass}); it needs at least one.");
            }
        }
    }

    private static void CheckShifted(LabelledSet set)
    {
        if (set.Count == 0)
        {
            throw new InputException($"The covariate-shifted set {set.Name} has no images; it needs at least one.");
        }

        if (set.Labels.IndexOf(ImageSet.NoClass) is >= 0 and var unclassified)
        {
            throw new InputException(
                $"{set.Source(unclassified)} in the covariate-shifted set {set.Name} has no class. Such a set shows the classes themselves, so every image needs one; "
                + "images of other things belong into a set of the group near or far.");
        }
    }

    private static void CheckLabels(LabelledSet images, int classCount)
    {
        for (var i = 0; i < images.Count; i++)
        {
            if (images.Labels[i] >= classCount)
            {
                throw new InputException(
                    $"{images.Source(i)} in {images.Name} is labelled as class {images.Labels[i]}, " +
                    $"but the model knows the classes 0 to {classCount - 1}.");
            }
        }
    }
}

/// <summary>What a way of using the branches says about the in-distribution test images, and what is true of them.</summary>
internal sealed class TestOutcome
{
    private readonly ShotGroups groups;
    private readonly IReadOnlyList<bool> tailClasses;

    public TestOutcome(ScoredImages test, ShotGroups groups, IReadOnlyList<bool> tailClasses)
    {
        (Test, Scores, Predictions, Labels) = (test, test.Scores, test.Predictions, test.Images.Labels.ToArray());
        (this.groups, this.tailClasses) = (groups, tailClasses);
        Errors = [.. Labels.Zip(Predictions, (label, prediction) => label != prediction)];
    }

    public ScoredImages Test { get; }

    /// <summary>The out-of-distribution score of each image.</summary>
    public double[] Scores { get; }

    /// <summary>The predicted class of each image.</summary>
    public int[] Predictions { get; }

    public int[] Labels { get; }

    /// <summary>Whether the predicted class is wrong.</summary>
    public bool[] Errors { get; }

    public LongTailMetrics Classification() => LongTailMetrics.Compute(Labels, Predictions, groups);

    /// <summary>Images of each class (row) by predicted class (column).</summary>
    public int[][] Confusion()
    {
        int[][] counts = [.. Enumerable.Range(0, groups.ClassCount).Select(_ => new int[groups.ClassCount])];
        for (var i = 0; i < Labels.Length; i++)
        {
            counts[Labels[i]][Predictions[i]]++;
        }

        return counts;
    }

    /// <summary>Calibration of the predicted class's probability, given for each image.</summary>
    public CalibrationByGroup Calibration(double[] probabilities)
    {
        return new(Of(_ => true), Of(InGroup(ShotGroup.Many)), Of(InGroup(ShotGroup.Medium)), Of(InGroup(ShotGroup.Few)));

        Calibration Of(Func<int, bool> ofClass) => Evaluation.Calibration.Compute(Chosen(probabilities, ofClass), Chosen(Errors, ofClass));
    }

    /// <summary>How well out-of-distribution images are told from these.</summary>
    /// <param name="outScores">Scores of the out-of-distribution images, at least one.</param>
    /// <param name="furtherScores">Scores of images of the classes that are not test images.</param>
    public OodResult Detect(double[] outScores, double[] furtherScores)
    {
        var curve = RocCurve.From(outScores, [.. Scores, .. furtherScores]);
        // Whoever accepts an image of no class gives it a class, and that is an error whichever it is.
        bool[] errors = [.. Errors, .. Enumerable.Repeat(true, outScores.Length)];
        return new(
            OodMetrics.Compute(curve),
            new(
                Against(label => tailClasses[label]),
                Against(label => !tailClasses[label]),
                Against(InGroup(ShotGroup.Many)),
                Against(InGroup(ShotGroup.Medium)),
                Against(InGroup(ShotGroup.Few))),
            OperatingPoint.Compute(curve, Scores, Labels, Predictions, groups),
            [.. CorrectClassification.UsualRates.Select(rate => CorrectClassification.At(rate, curve, Scores, Errors))],
            RiskCoverage.From([.. Scores, .. outScores], errors).Areas());

        OodMetrics Against(Func<int, bool> ofClass) => OodMetrics.Compute(outScores, Chosen(Scores, ofClass));
    }

    private Func<int, bool> InGroup(ShotGroup group) => label => groups[label] == group;

    private T[] Chosen<T>(T[] perImage, Func<int, bool> ofClass) => [.. perImage.Where((_, i) => ofClass(Labels[i]))];
}
