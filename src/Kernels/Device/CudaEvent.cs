namespace Pascl.Kernels.Device;

/// <summary>A moment of a GPU's legacy default stream.</summary>
internal sealed class CudaEvent : DeviceEvent
{
    private readonly CudaDevice device;
    private readonly CudaDriver driver;
    private readonly nint handle;

    public CudaEvent(CudaDevice device, CudaDriver driver)
    {
        (this.device, this.driver) = (device, driver);
        using var current = device.Enter();
        handle = driver.RecordEvent(device.Name);
    }

    public override TimeSpan Since(DeviceEvent earlier)
    {
        using var current = device.Enter();
        return TimeSpan.FromMilliseconds(driver.MillisecondsBetween(((CudaEvent)earlier).handle, handle, device.Name));
    }

    public override void Dispose()
    {
        using var current = device.Enter();
        driver.DestroyEvent(handle);
    }
}
