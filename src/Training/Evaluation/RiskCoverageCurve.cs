namespace Pascl.Training.Evaluation;

/// <summary>A risk-coverage curve for plotting; see <see cref="RiskCoverage.Curve"/>.</summary>
/// <param name="Coverage">Shares of the images that are accepted, rising.</param>
/// <param name="Risk">Share of errors among the accepted images, one per coverage.</param>
public sealed record RiskCoverageCurve(double[] Coverage, double[] Risk);
