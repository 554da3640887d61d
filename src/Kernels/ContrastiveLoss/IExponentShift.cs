namespace Pascl.Kernels;

/// <summary>The shift of the exponents, as a constant of a compiled kernel; see <see cref="FusedContrastiveLossVariant"/>.</summary>
internal interface IExponentShift
{
    /// <summary>Whether it is the same for all rows.</summary>
    bool IsFixed { get; }
}

/// <summary><see cref="FusedContrastiveLossVariant.FixedShift"/>.</summary>
internal readonly struct FixedShift : IExponentShift
{
    public bool IsFixed => true;
}

/// <summary><see cref="FusedContrastiveLossVariant.RowMaximum"/>.</summary>
internal readonly struct RowMaximum : IExponentShift
{
    public bool IsFixed => false;
}
