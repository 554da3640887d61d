namespace Pascl.Kernels;

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
