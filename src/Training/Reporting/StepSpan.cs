namespace Pascl.Training.Reporting;

/// <summary>A part of one step.</summary>
/// <param name="Step">Number of the step, from 0.</param>
/// <param name="Part">What was done.</param>
/// <param name="Start">When it began, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="End">When it ended.</param>
/// <param name="AllocatedBytes">Managed bytes that the training thread allocated meanwhile.</param>
internal readonly record struct StepSpan(int Step, StepPart Part, long Start, long End, long AllocatedBytes);
