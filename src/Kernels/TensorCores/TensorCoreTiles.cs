namespace Pascl.Kernels;

/// <summary>What is fixed when a tensor-core kernel of the contrastive loss is compiled.</summary>
internal interface ITensorCoreTile
{
    /// <summary>Columns of a row, padded with zeros: 64, 128 or 256.</summary>
    int Width { get; }

    /// <summary>How many rows the block compares its own with at a time: 32 or 64.</summary>
    int Columns { get; }

    /// <summary>1: rows are rounded to bfloat16; 2: they are the sum of two bfloat16.</summary>
    int Parts { get; }

    /// <summary>Tiles of columns in shared memory: with 2 the next is copied while one is used.</summary>
    int Stages { get; }
}

internal readonly struct BFloat16Width64 : ITensorCoreTile
{
    public int Width => 64;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width128 : ITensorCoreTile
{
    public int Width => 128;

    public int Columns => 64;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16Width256 : ITensorCoreTile
{
    public int Width => 256;

    public int Columns => 32;

    public int Parts => 1;

    public int Stages => 2;
}

internal readonly struct BFloat16x3Width64 : ITensorCoreTile
{
    public int Width => 64;

    public int Columns => 64;

    public int Parts => 2;

    public int Stages => 2;
}

internal readonly struct BFloat16x3Width128 : ITensorCoreTile
{
    public int Width => 128;

    public int Columns => 32;

    public int Parts => 2;

    public int Stages => 2;
}

internal readonly struct BFloat16x3Width256 : ITensorCoreTile
{
    public int Width => 256;

    public int Columns => 32;

    public int Parts => 2;

    public int Stages => 1;
}

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

/// <summary>One lane's share of a 16 x 256 matrix in float32: four strips side by side, of which narrower kernels use the first ones.</summary>
internal struct AccumulatorRows
{
    /// <summary>Columns 0 to 63.</summary>
    public AccumulatorStrip First;

    /// <summary>Columns 64 to 127.</summary>
    public AccumulatorStrip Second;

    /// <summary>Columns 128 to 191.</summary>
    public AccumulatorStrip Third;

    /// <summary>Columns 192 to 255.</summary>
    public AccumulatorStrip Fourth;
}

/// <summary>One lane's share of a 16 x 64 matrix in float32: four tiles side by side.</summary>
internal struct AccumulatorStrip
{
    /// <summary>Columns 0 to 15.</summary>
    public AccumulatorTile First;

    /// <summary>Columns 16 to 31.</summary>
    public AccumulatorTile Second;

    /// <summary>Columns 32 to 47.</summary>
    public AccumulatorTile Third;

    /// <summary>Columns 48 to 63.</summary>
    public AccumulatorTile Fourth;
}
