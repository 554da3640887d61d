namespace Pascl.Kernels.Device;

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
