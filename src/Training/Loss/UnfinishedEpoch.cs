namespace Pascl.Training.Loss;

/// <summary>The loss sums of an epoch that was interrupted, so that its means come out as if it had not been.</summary>
/// <param name="Sums">Sums over the epoch's steps so far, by term of the objective.</param>
/// <param name="ReportedSums">The sums at the last report.</param>
/// <param name="ReportedSteps">The steps at the last report.</param>
public sealed record UnfinishedEpoch(IReadOnlyList<double> Sums, IReadOnlyList<double> ReportedSums, int ReportedSteps);
