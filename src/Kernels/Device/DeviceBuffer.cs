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

/// <summary>A row-major matrix in a device's memory. It does not own the memory.</summary>
/// <param name="Address">Of element (0, 0), in the device's address space.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Columns">Elements of a row; a row's elements follow one another.</param>
/// <param name="RowStride">Elements from the start of a row to the start of the next; at least <paramref name="Columns"/>.</param>
public readonly record struct DeviceMatrix<T>(nint Address, int Rows, int Columns, int RowStride)
    where T : unmanaged
{
    /// <summary>A matrix without gaps between its rows.</summary>
    public DeviceMatrix(nint address, int rows, int columns)
        : this(address, rows, columns, columns)
    {
    }

    /// <summary>Elements from the first to the last.</summary>
    public long Length => Rows == 0 || Columns == 0 ? 0 : ((long)(Rows - 1) * RowStride) + Columns;

    /// <summary>Whether every row begins at a multiple of 16 bytes, as vector loads need it.</summary>
    public unsafe bool IsAligned => Address % 16 == 0 && (Rows < 2 || (long)RowStride * sizeof(T) % 16 == 0);

    /// <summary>The matrix as a view of all elements from the first to the last.</summary>
    public static implicit operator KernelArgument(DeviceMatrix<T> matrix) => KernelArgument.View<T>(matrix.Address, matrix.Length);

    /// <inheritdoc/>
    public override string ToString() => $"({Rows}, {Columns})";
}

/// <summary>Elements that follow one another in a device's memory. It does not own them.</summary>
/// <param name="Address">Of the first element, in the device's address space.</param>
/// <param name="Length">Number of elements.</param>
public readonly record struct DeviceVector<T>(nint Address, long Length)
    where T : unmanaged
{
    /// <summary>Part of the vector.</summary>
    /// <param name="start">The first element of the part.</param>
    /// <param name="length">Number of its elements.</param>
    public unsafe DeviceVector<T> Slice(long start, long length) =>
        start >= 0 && length >= 0 && start + length <= Length
            ? new DeviceVector<T>(Address + (nint)(start * sizeof(T)), length)
            : throw new ArgumentOutOfRangeException(nameof(start), $"Elements {start} to {start + length} are not within a vector of {Length}.");

    /// <summary>The vector as a view.</summary>
    public static implicit operator KernelArgument(DeviceVector<T> vector) => KernelArgument.View<T>(vector.Address, vector.Length);
}

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
