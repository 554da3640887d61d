namespace Pascl.Training.Evaluation;

/// <summary>
/// A share of images, for example the share classified correctly. <see cref="double.NaN"/> where there is nothing to take a share of.
/// </summary>
/// <param name="Overall">The share of all images.</param>
/// <param name="Many">
/// The mean of the shares of the many-shot classes, every class with images counting alike and the others left out, as in
/// github.com/amazon-science/long-tailed-ood-detection, <c>utils/ltr_metrics.py</c>.
/// </param>
/// <param name="Medium">The same for the medium-shot classes.</param>
/// <param name="Few">The same for the few-shot classes.</param>
public sealed record ShotShares(double Overall, double Many, double Medium, double Few)
{
    /// <summary>Each share's mean; not a number where one of them is not, or where there are none.</summary>
    public static ShotShares Mean(IReadOnlyList<ShotShares> all) => new(
        OodMetrics.Mean(all, s => s.Overall),
        OodMetrics.Mean(all, s => s.Many),
        OodMetrics.Mean(all, s => s.Medium),
        OodMetrics.Mean(all, s => s.Few));
}
