namespace Pascl.Kernels;

/// <summary>
/// One lane's share of a 16 x 16 matrix in float32 that a warp sums products in. With g = lane / 4 and q = lane % 4 a lane holds the columns 2q and 2q + 1 of
/// the rows g and g + 8, of the left and the right eight columns. Source: PTX ISA, fragments of mma.m16n8k16.
/// </summary>
internal struct AccumulatorTile
{
    /// <summary>Row g, column 2q.</summary>
    public float TopLeft0;

    /// <summary>Row g, column 2q + 1.</summary>
    public float TopLeft1;

    /// <summary>Row g + 8, column 2q.</summary>
    public float BottomLeft0;

    /// <summary>Row g + 8, column 2q + 1.</summary>
    public float BottomLeft1;

    /// <summary>Row g, column 2q + 8.</summary>
    public float TopRight0;

    /// <summary>Row g, column 2q + 9.</summary>
    public float TopRight1;

    /// <summary>Row g + 8, column 2q + 8.</summary>
    public float BottomRight0;

    /// <summary>Row g + 8, column 2q + 9.</summary>
    public float BottomRight1;
}
