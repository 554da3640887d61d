namespace Pascl.Kernels.Device;

/// <summary>
/// Memory of a device that the host overwrites again and again without waiting: what is written goes through pinned memory of the host, and is copied between
/// the launches before and after it.
/// </summary>
/// <typeparam name="T">What it holds.</typeparam>
public sealed class UploadBuffer<T> : IDisposable
    where T : unmanaged
{
    // The host may be as many writes ahead of the device before it waits. Training reads its losses, which waits, more often.
    private const int Slots = 32;

    private readonly KernelDevice device;
    private readonly DeviceBuffer<T> memory;
    private readonly DeviceEvent?[] copied = new DeviceEvent?[Slots];
    private readonly long slotBytes;
    private nint pinned;
    private int next;

    internal unsafe UploadBuffer(KernelDevice device, long length)
    {
        this.device = device;
        memory = device.Allocate<T>(length);
        slotBytes = length * sizeof(T);
        pinned = device.AllocatePinned(Math.Max(1, Slots * slotBytes));
    }

    /// <summary>The elements.</summary>
    public DeviceVector<T> Vector => memory.Vector;

    /// <summary>Overwrites the elements after everything launched before; the host goes on at once.</summary>
    /// <param name="values">As many as the buffer has.</param>
    /// <exception cref="ArgumentException">There are more or fewer.</exception>
    public unsafe void Write(ReadOnlySpan<T> values)
    {
        if (values.Length != memory.Length)
        {
            throw new ArgumentException($"There are {values.Length} values for a buffer of {memory.Length}; there must be one for each element.", nameof(values));
        }

        if (copied[next] is { } earlier)
        {
            if (!earlier.HasPassed)
            {
                device.CountWait();
                earlier.Wait();
            }

            earlier.Dispose();
        }

        var slot = pinned + (nint)(next * slotBytes);
        values.CopyTo(new Span<T>((void*)slot, values.Length));
        device.EnqueueCopy(memory.Vector.Address, slot, slotBytes);
        copied[next] = device.Record();
        next = (next + 1) % Slots;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (pinned == 0)
        {
            return;
        }

        foreach (var moment in copied)
        {
            moment?.Wait();
            moment?.Dispose();
        }

        device.FreePinned(pinned);
        pinned = 0;
        memory.Dispose();
    }
}
