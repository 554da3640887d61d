namespace Pascl.Training.Evaluation;

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
