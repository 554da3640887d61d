namespace Pascl.Kernels.Device;

/// <summary>How many blocks of how many threads run a kernel.</summary>
/// <param name="Columns">Blocks along x.</param>
/// <param name="Rows">Blocks along y.</param>
/// <param name="Threads">Threads of each block, a multiple of 32.</param>
/// <param name="SharedBytes">Dynamic shared memory of each block; above 48 KB the kernel is allowed it when it is first launched so.</param>
public readonly record struct LaunchShape(int Columns, int Rows, int Threads, int SharedBytes = 0)
{
    /// <summary>Blocks in one row.</summary>
    public LaunchShape(int blocks, int threads)
        : this(blocks, 1, threads)
    {
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Columns} x {Rows} blocks of {Threads} threads";
}
