namespace Pascl.Training.Reporting;

/// <summary>A batch that a data thread prepared.</summary>
/// <param name="Number">Its number in the epoch, from 0.</param>
/// <param name="Start">When that began, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="End">When it was done.</param>
/// <param name="Thread">Number of the thread.</param>
internal readonly record struct PreparedBatch(int Number, long Start, long End, int Thread);
