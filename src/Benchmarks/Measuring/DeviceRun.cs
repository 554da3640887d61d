using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Measuring;

/// <summary>An operation made of kernels, with its memory: what is measured on a GPU, and checked on the simulator.</summary>
/// <param name="device">Where it runs.</param>
internal abstract class DeviceRun(KernelDevice device) : IDisposable
{
    private readonly List<IDisposable> owned = [];

    /// <summary>Where it runs.</summary>
    protected KernelDevice Device { get; } = device;

    /// <summary>Bytes of its buffers.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>Enqueues the operation once.</summary>
    public abstract void Launch();

    /// <summary>Waits, and reads the result that is checked.</summary>
    public abstract float[] Result();

    /// <inheritdoc/>
    public void Dispose() => owned.ForEach(item => item.Dispose());

    /// <summary>The gradient of rows of which the first are anchors as well: what they receive in both roles.</summary>
    protected static float[] SumOfRoles(DeviceBuffer<float> asContrasts, DeviceBuffer<float> asAnchors)
    {
        var sum = asContrasts.ToArray();
        foreach (var (index, value) in asAnchors.ToArray().Index())
        {
            sum[index] += value;
        }

        return sum;
    }

    /// <summary>Memory that is freed with the run.</summary>
    protected DeviceBuffer<T> Buffer<T>(ReadOnlySpan<T> values)
        where T : unmanaged => Counted(Device.Allocate(values));

    /// <summary>Memory that is freed with the run, not cleared.</summary>
    protected DeviceBuffer<T> Buffer<T>(long length)
        where T : unmanaged => Counted(Device.Allocate<T>(length));

    private unsafe DeviceBuffer<T> Counted<T>(DeviceBuffer<T> buffer)
        where T : unmanaged
    {
        AllocatedBytes += buffer.Length * sizeof(T);
        return Own(buffer);
    }

    /// <summary>Frees something with the run.</summary>
    protected T Own<T>(T item)
        where T : IDisposable
    {
        owned.Add(item);
        return item;
    }
}
