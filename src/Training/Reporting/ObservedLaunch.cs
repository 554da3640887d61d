using Pascl.Kernels.Device;

namespace Pascl.Training.Reporting;

/// <summary>A launch of a kernel as the host saw it.</summary>
/// <param name="Launch">What was launched.</param>
/// <param name="Time">When the call returned, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Thread">Number of the thread.</param>
internal readonly record struct ObservedLaunch(KernelLaunch Launch, long Time, int Thread);
