namespace Pascl.Kernels;

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
