namespace Pascl.Training.Evaluation;

/// <summary>How well out-of-distribution images are detected, of one set or on average over sets.</summary>
/// <param name="Metrics">Out-of-distribution against in-distribution images.</param>
/// <param name="TailAuroc">
/// AUROC of the out-of-distribution images against the test images of the tail classes only; NaN without such images.
/// </param>
/// <param name="HeadAuroc">The same against the test images of the other classes.</param>
/// <param name="OperatingPoints">What usual thresholds do.</param>
public sealed record OodResult(OodMetrics Metrics, double TailAuroc, double HeadAuroc, IReadOnlyList<OperatingPoint> OperatingPoints)
{
    /// <summary>Each number's mean over at least one set, every set counting alike.</summary>
    public static OodResult Mean(IReadOnlyList<OodResult> all) => new(
        OodMetrics.Mean([.. all.Select(result => result.Metrics)]),
        OodMetrics.Mean(all, result => result.TailAuroc),
        OodMetrics.Mean(all, result => result.HeadAuroc),
        OperatingPoint.Mean([.. all.Select(result => result.OperatingPoints)]));
}
