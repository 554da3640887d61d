namespace Pascl.Kernels;

/// <summary>
/// One lane's share of a 16 x 16 matrix in bfloat16 that a warp holds as a factor. With g = lane / 4 and q = lane % 4, each register holds the columns 2q (low
/// half) and 2q + 1 of row g or g + 8, of the left or the right eight columns. Source: PTX ISA, fragments of mma.m16n8k16.
/// </summary>
internal struct Fragment
{
    /// <summary>Row g, columns 2q and 2q + 1.</summary>
    public uint TopLeft;

    /// <summary>Row g + 8, columns 2q and 2q + 1.</summary>
    public uint BottomLeft;

    /// <summary>Row g, columns 2q + 8 and 2q + 9.</summary>
    public uint TopRight;

    /// <summary>Row g + 8, columns 2q + 8 and 2q + 9.</summary>
    public uint BottomRight;
}
