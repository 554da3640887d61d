namespace Pascl.Training.Reporting;

/// <summary>What a part of the steps came to.</summary>
/// <param name="Part">The part.</param>
/// <param name="Mean">Time per step.</param>
/// <param name="Longest">Time in the step where it took longest.</param>
/// <param name="Share">Share of all time.</param>
/// <param name="AllocatedBytes">Managed bytes of the training thread, per step.</param>
internal sealed record PartSummary(StepPart Part, TimeSpan Mean, TimeSpan Longest, double Share, long AllocatedBytes);
