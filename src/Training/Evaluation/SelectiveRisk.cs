namespace Pascl.Training.Evaluation;

/// <summary>
/// How well a score (higher = less confident) puts wrong answers behind right ones, as areas under risk-coverage curves. With n images in
/// order of falling confidence and E(k) errors among the first k of them; images of equal score share their errors evenly, which is the mean
/// over all orders of them. Every number is <see cref="double.NaN"/> without images. Definitions: Geifman, Uziel and El-Yaniv, ICLR 2019
/// (E-AURC); Traub et al., NeurIPS 2024 (AUGRC).
/// </summary>
/// <param name="Aurc">(1/n) sum_k E(k)/k, the mean risk over all coverages; lower is better.</param>
/// <param name="ExcessAurc">E-AURC: AURC less that of the same errors ranked last; 0 is perfect.</param>
/// <param name="Augrc">(1/n) sum_k E(k)/n, the mean rate of accepted errors; lower is better.</param>
public sealed record SelectiveRisk(double Aurc, double ExcessAurc, double Augrc)
{
    /// <summary>Each number's mean; not a number where one of them is not, or where there are none.</summary>
    public static SelectiveRisk Mean(IReadOnlyList<SelectiveRisk> all) => new(
        OodMetrics.Mean(all, risk => risk.Aurc),
        OodMetrics.Mean(all, risk => risk.ExcessAurc),
        OodMetrics.Mean(all, risk => risk.Augrc));
}
