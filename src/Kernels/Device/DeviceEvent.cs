namespace Pascl.Kernels.Device;

/// <summary>A moment in a device's order of execution: when everything that was launched before had finished.</summary>
public abstract class DeviceEvent : IDisposable
{
    /// <summary>The device's time between two moments; waits until the later one has come.</summary>
    /// <param name="earlier">A moment of the same device.</param>
    public abstract TimeSpan Since(DeviceEvent earlier);

    /// <inheritdoc/>
    public abstract void Dispose();
}
