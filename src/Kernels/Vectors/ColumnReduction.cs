using ILGPU;

namespace Pascl.Kernels.Vectors;

/// <summary>Merges the values of the threads of a block that belong to the same column, inside a kernel. Every thread must call.</summary>
/// <remarks>
/// A thread's column is its index modulo their number, which is a power of two up to 32; the block has 32, 64, 128 or 256 threads. The order is fixed by these
/// two numbers. One barrier, and none in a block of one warp. The shared memory belongs to the place of the call.
/// </remarks>
internal static class ColumnReduction
{
    private const int WarpSize = 32;
    private const int MaximumThreads = 256;

    /// <summary>The merged value of a column, in the first thread of the column; the others get something unfinished.</summary>
    public static T Merge<T, TMerge>(T value, int columns)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        var ofWarps = SharedMemory.Allocate<T>(MaximumThreads);

        // By hand, because ILGPU does not unroll loops.
        value = columns <= 16 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 16)) : value;
        value = columns <= 8 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 8)) : value;
        value = columns <= 4 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 4)) : value;
        value = columns <= 2 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 2)) : value;
        value = columns <= 1 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 1)) : value;
        if (Group.DimX == WarpSize)
        {
            return value;
        }

        var lane = Group.IdxX % WarpSize;
        if (lane < columns)
        {
            ofWarps[(Group.IdxX / WarpSize * columns) + lane] = value;
        }

        Group.Barrier();
        if (Group.IdxX < columns)
        {
            for (var warp = 1; warp < Group.DimX / WarpSize; warp++)
            {
                value = default(TMerge).Merge(value, ofWarps[(warp * columns) + lane]);
            }
        }

        return value;
    }
}
