namespace Pascl.Training.Evaluation;

/// <summary>How well out-of-distribution images are detected, of one set or on average over sets.</summary>
/// <param name="Metrics">Out-of-distribution against in-distribution images.</param>
/// <param name="Groups">Out-of-distribution images against the test images of some classes only.</param>
/// <param name="OperatingPoints">What usual thresholds do.</param>
/// <param name="CorrectClassification">CCR at the usual false-positive rates.</param>
/// <param name="Risk">Risk and coverage over test and out-of-distribution images together; to accept one of the latter is an error.</param>
public sealed record OodResult(
    OodMetrics Metrics,
    OodMetricsByGroup Groups,
    IReadOnlyList<OperatingPoint> OperatingPoints,
    IReadOnlyList<CorrectClassification> CorrectClassification,
    SelectiveRisk Risk)
{
    /// <summary>Each number's mean over at least one set, every set counting alike.</summary>
    public static OodResult Mean(IReadOnlyList<OodResult> all) => new(
        OodMetrics.Mean([.. all.Select(result => result.Metrics)]),
        OodMetricsByGroup.Mean([.. all.Select(result => result.Groups)]),
        OperatingPoint.Mean([.. all.Select(result => result.OperatingPoints)]),
        Evaluation.CorrectClassification.Mean([.. all.Select(result => result.CorrectClassification)]),
        SelectiveRisk.Mean([.. all.Select(result => result.Risk)]));
}
