namespace Pascl.Kernels.Device;

/// <summary>Memory of a device, aligned to 256 bytes, freed when disposed.</summary>
public sealed class DeviceBuffer<T> : IDisposable
    where T : unmanaged
{
    private readonly KernelDevice device;
    private nint address;

    internal unsafe DeviceBuffer(KernelDevice device, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        this.device = device;
        Length = length;
        address = device.AllocateBytes(Math.Max(1, length) * sizeof(T));
    }

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>The elements.</summary>
    public DeviceVector<T> Vector
    {
        get
        {
            ObjectDisposedException.ThrowIf(address == 0, this);
            return new(address, Length);
        }
    }

    /// <summary>The elements as a matrix.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Elements of a row.</param>
    public DeviceMatrix<T> Matrix(int rows, int columns) => (long)rows * columns <= Length
        ? new(Vector.Address, rows, columns)
        : throw new ArgumentException($"A ({rows}, {columns}) matrix does not fit in a buffer of {Length} elements.");

    /// <summary>Overwrites elements after everything launched before.</summary>
    /// <param name="values">The new elements.</param>
    /// <param name="start">The first that is overwritten.</param>
    public unsafe void CopyFrom(ReadOnlySpan<T> values, long start = 0)
    {
        var part = Vector.Slice(start, values.Length);
        fixed (T* source = values)
        {
            device.CopyToDevice(part.Address, (nint)source, (long)values.Length * sizeof(T));
        }
    }

    /// <summary>Waits for everything launched before, and returns the elements.</summary>
    public unsafe T[] ToArray()
    {
        var values = new T[Length];
        fixed (T* destination = values)
        {
            device.CopyToHost((nint)destination, Vector.Address, Length * sizeof(T));
        }

        return values;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (address != 0)
        {
            device.FreeBytes(address);
            address = 0;
        }
    }
}
