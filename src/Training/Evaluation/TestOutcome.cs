namespace Pascl.Training.Evaluation;

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
