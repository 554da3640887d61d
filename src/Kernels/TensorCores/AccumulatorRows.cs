namespace Pascl.Kernels;

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
