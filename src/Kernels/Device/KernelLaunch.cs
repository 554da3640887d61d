namespace Pascl.Kernels.Device;

/// <summary>A launch of a kernel, for who watches them.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="ArrayBytes">Size of the arrays that it was given: what it moves if it touches each element once.</param>
/// <param name="Begin">When the device came to it.</param>
/// <param name="End">When the device had finished it.</param>
public sealed record KernelLaunch(KernelDefinition Kernel, long ArrayBytes, DeviceEvent Begin, DeviceEvent End) : IDisposable
{
    /// <summary>Frees the events.</summary>
    public void Dispose()
    {
        Begin.Dispose();
        End.Dispose();
    }
}
