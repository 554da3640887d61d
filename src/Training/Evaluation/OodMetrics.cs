namespace Pascl.Training.Evaluation;

/// <summary>
/// How well a score (higher = more out-of-distribution) separates out-of-distribution from in-distribution images. Everything is a
/// fraction, computed in double. A number that has no meaning because a set is empty is <see cref="double.NaN"/>; when all scores are
/// equal, AUROC is 0.5, the average precisions are the shares of their positive class, and every FPR95 but the strict one is 1.
/// </summary>
/// <param name="Auroc">Area under the ROC curve, ties counting one half.</param>
/// <param name="AuprOut">Average precision (step-wise) with out-of-distribution as the positive class.</param>
/// <param name="AuprIn">Average precision (step-wise) with in-distribution as the positive class.</param>
/// <param name="AuprOutTrapezoid">
/// Area under the precision-recall curve by the trapezoid rule, out-of-distribution positive: <see cref="RocCurve.PrecisionRecallArea"/>.
/// </param>
/// <param name="AuprInTrapezoid">As <paramref name="AuprOutTrapezoid"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95">
/// False-positive rate at the recall nearest to 0.95, out-of-distribution positive:
/// <see cref="RocCurve.FalsePositiveRateAtNearestRecall"/>.
/// </param>
/// <param name="Fpr95FirstReached">False-positive rate at the first recall of at least 0.95, out-of-distribution positive.</param>
/// <param name="Fpr95InPositive">As <paramref name="Fpr95"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95InPositiveFirstReached">As <paramref name="Fpr95FirstReached"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95InPositiveStrict">
/// Share of out-of-distribution images surer than the floor(0.95 n)-th surest of n in-distribution images, ties not counted: the rule of
/// SC-OOD, <see cref="RocCurve.FalsePositiveRateAbove"/>.
/// </param>
public sealed record OodMetrics(
    double Auroc,
    double AuprOut,
    double AuprIn,
    double AuprOutTrapezoid,
    double AuprInTrapezoid,
    double Fpr95,
    double Fpr95FirstReached,
    double Fpr95InPositive,
    double Fpr95InPositiveFirstReached,
    double Fpr95InPositiveStrict)
{
    private const double Recall = 0.95;

    /// <summary>The metrics of two sets of scores.</summary>
    /// <exception cref="ArgumentException">A score is not a number.</exception>
    public static OodMetrics Compute(ReadOnlySpan<double> outOfDistribution, ReadOnlySpan<double> inDistribution) =>
        outOfDistribution.IsEmpty || inDistribution.IsEmpty
            ? Mean([])
            : Compute(RocCurve.From(outOfDistribution, inDistribution));

    /// <summary>The metrics of a curve whose positives are the out-of-distribution images.</summary>
    public static OodMetrics Compute(RocCurve curve)
    {
        var mirrored = curve.Mirrored();
        return new(
            curve.Area(),
            curve.AveragePrecision(),
            mirrored.AveragePrecision(),
            curve.PrecisionRecallArea(),
            mirrored.PrecisionRecallArea(),
            curve.FalsePositiveRateAtNearestRecall(Recall),
            curve.FalsePositiveRateAtFirstRecall(Recall),
            mirrored.FalsePositiveRateAtNearestRecall(Recall),
            mirrored.FalsePositiveRateAtFirstRecall(Recall),
            mirrored.FalsePositiveRateAbove(Recall));
    }

    /// <summary>Each number's mean; not a number where one of them is not, or where there are none.</summary>
    public static OodMetrics Mean(IReadOnlyList<OodMetrics> all) => new(
        Mean(all, m => m.Auroc),
        Mean(all, m => m.AuprOut),
        Mean(all, m => m.AuprIn),
        Mean(all, m => m.AuprOutTrapezoid),
        Mean(all, m => m.AuprInTrapezoid),
        Mean(all, m => m.Fpr95),
        Mean(all, m => m.Fpr95FirstReached),
        Mean(all, m => m.Fpr95InPositive),
        Mean(all, m => m.Fpr95InPositiveFirstReached),
        Mean(all, m => m.Fpr95InPositiveStrict));

    internal static double Mean<T>(IReadOnlyList<T> all, Func<T, double> number) => all.Count == 0 ? double.NaN : all.Average(number);
}

/// <summary>
/// Out-of-distribution images against the test images of some classes only: what happens to rare classes is lost in a number over all.
/// Every number of a group without test images is <see cref="double.NaN"/>.
/// </summary>
/// <param name="Tail">Against the test images of the tail classes of the loss.</param>
/// <param name="Head">Against the test images of all other classes.</param>
/// <param name="Many">Against the test images of the many-shot classes.</param>
/// <param name="Medium">Against the test images of the medium-shot classes.</param>
/// <param name="Few">Against the test images of the few-shot classes.</param>
public sealed record OodMetricsByGroup(OodMetrics Tail, OodMetrics Head, OodMetrics Many, OodMetrics Medium, OodMetrics Few)
{
    /// <summary>Each number's mean, group by group.</summary>
    public static OodMetricsByGroup Mean(IReadOnlyList<OodMetricsByGroup> all) => new(
        OodMetrics.Mean([.. all.Select(groups => groups.Tail)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Head)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Many)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Medium)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Few)]));
}
