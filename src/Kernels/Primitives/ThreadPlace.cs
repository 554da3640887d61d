using ILGPU;

namespace Pascl.Kernels;

/// <summary>
/// Where a thread stands in its block, inside a kernel. By masks and shifts, because the compiler takes an index for a number that may be negative, and dividing
/// one by a power of two costs ten instructions and more.
/// </summary>
internal static class ThreadPlace
{
    /// <summary>Threads of a warp.</summary>
    public const int WarpSize = 32;

    /// <summary>The thread's place in its warp.</summary>
    public static int Lane => Group.IdxX & (WarpSize - 1);

    /// <summary>The thread's warp in its block.</summary>
    public static int Warp => Group.IdxX >> 5;

    /// <summary>Warps of the block.</summary>
    public static int Warps => Group.DimX >> 5;

    /// <summary>The thread's place in its row, where so many threads, a power of two, make a row.</summary>
    public static int Column(int columns) => Group.IdxX & (columns - 1);

    /// <summary>The thread's row.</summary>
    public static int Row(int columns) => Group.IdxX >> Shift(columns);

    /// <summary>Rows of the block.</summary>
    public static int Rows(int columns) => Group.DimX >> Shift(columns);

    // A power of two less one has as many bits as the power's exponent.
    private static int Shift(int columns) => IntrinsicMath.PopCount(columns - 1);
}

/// <summary>Nearly equal shares of items, inside a kernel.</summary>
internal static class Shares
{
    /// <summary>Where a share begins: items * share / shares, rounded down.</summary>
    /// <param name="items">What is divided.</param>
    /// <param name="share">Which, from 0; the end of the last share is the start of one more.</param>
    /// <param name="shares">At most 65535, as many as a launch has rows of blocks.</param>
    public static int Start(int items, int share, int shares)
    {
        // The product may have more than 32 bits, and a GPU divides such numbers by a subroutine: so the whole multiples of the number of shares stay out of it.
        var (whole, rest) = ((uint)items / (uint)shares, (uint)items % (uint)shares);
        return (int)((whole * (uint)share) + (rest * (uint)share / (uint)shares));
    }
}
