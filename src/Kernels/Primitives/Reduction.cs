using ILGPU;

namespace Pascl.Kernels;

/// <summary>Sums and maxima over the threads of a warp or a block, inside a kernel. Every thread of it must call, and every thread gets the same bits.</summary>
/// <remarks>
/// Five shuffles for a warp; for a block of several warps one barrier more. The order is fixed by the number of threads alone. The shared memory of a block's
/// reduction belongs to the place of the call: where a loop comes by again, there must be a barrier in between.
/// </remarks>
internal static class Reduction
{
    private const int WarpSize = 32;
    private const int MaximumWarps = 32;

    /// <summary>Sum of a value of each thread of the warp.</summary>
    public static float WarpSum(float value) => Warp<float, Addition>(value);

    /// <summary>Largest of a value of each thread of the warp.</summary>
    public static float WarpMaximum(float value) => Warp<float, Maximum>(value);

    /// <summary>Sum of a value of each thread of the block.</summary>
    public static float BlockSum(float value) => Block<float, Addition>(value);

    /// <summary>Largest of a value of each thread of the block.</summary>
    public static float BlockMaximum(float value) => Block<float, Maximum>(value);

    /// <summary>Merges a value of each thread of the warp. A struct of several numbers costs the simulator no more than one number.</summary>
    public static T Warp<T, TMerge>(T value)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        // By hand, because ILGPU does not unroll loops.
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 16));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 8));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 4));
        value = default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 2));
        return default(TMerge).Merge(value, ILGPU.Warp.ShuffleXor(value, 1));
    }

    /// <summary>Merges a value of each thread of the block, whose number of threads is a multiple of 32.</summary>
    public static T Block<T, TMerge>(T value)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        var ofWarps = SharedMemory.Allocate<T>(MaximumWarps);
        value = Warp<T, TMerge>(value);
        if (Group.DimX == WarpSize)
        {
            return value;
        }

        if (Group.IdxX % WarpSize == 0)
        {
            ofWarps[Group.IdxX / WarpSize] = value;
        }

        Group.Barrier();

        // Each thread merges all: no second barrier, and no thread waits for a broadcast.
        value = ofWarps[0];
        for (var warp = 1; warp < Group.DimX / WarpSize; warp++)
        {
            value = default(TMerge).Merge(value, ofWarps[warp]);
        }

        return value;
    }
}
