namespace Pascl.Training.Reporting;

/// <summary>The moment at which a part of a step begins, and the part before it ends.</summary>
/// <param name="Part">The part.</param>
/// <param name="Time">By <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="AllocatedBytes">Managed bytes that this thread had allocated.</param>
internal readonly record struct StepMark(StepPart Part, long Time, long AllocatedBytes);
