namespace Pascl.Kernels.Device;

/// <summary>Marks a static method as a kernel: explicitly grouped, every thread of every block runs it once.</summary>
/// <param name="threads">The most threads a block of this kernel may have; a multiple of 32.</param>
/// <remarks>
/// Its parameters may be <c>ArrayView&lt;T&gt;</c>, <see cref="int"/>, <see cref="long"/> and <see cref="float"/>. A generic kernel is compiled ahead once
/// per <see cref="KernelVariantAttribute"/>.
/// </remarks>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelAttribute(int threads) : Attribute
{
    /// <summary>The most threads of a block.</summary>
    public int Threads { get; } = threads;

    /// <summary>Blocks that should fit on a multiprocessor at once; bounds the registers of a thread.</summary>
    public int MinimumBlocks { get; init; } = 1;

    /// <summary>Whether the kernel needs compute capability 8.0: tensor-core and asynchronous-copy instructions.</summary>
    public bool NeedsTensorCores { get; init; }
}
