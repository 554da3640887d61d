using Pascl.Kernels.Device;

namespace Pascl.Training.Reporting;

/// <summary>A launch of a kernel.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Time">When the call returned, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Thread">Number of the thread.</param>
internal readonly record struct KernelLaunch(KernelDefinition Kernel, long Time, int Thread);
