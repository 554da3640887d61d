namespace Pascl.Training.Interop;

/// <summary>The rows of a tensor in the host's memory, of any size; a span alone ends at 2^31 elements. Lives no longer than the tensor.</summary>
internal readonly unsafe struct HostMatrix<T>(nint address, int columns)
    where T : unmanaged
{
    /// <summary>The elements of a row, to read and to write.</summary>
    public Span<T> Row(int row) => new((T*)address + ((long)row * columns), columns);
}
