namespace Pascl.Kernels.Device;

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
