namespace Pascl.Kernels;

/// <summary>By what <see cref="FusedContrastiveLoss"/> shifts exponents before it takes exponentials, so that they neither overflow nor all vanish.</summary>
public enum FusedContrastiveLossVariant
{
    /// <summary><see cref="FixedShift"/> from a temperature of 0.03 on, <see cref="RowMaximum"/> below. It relies on rows of unit length.</summary>
    Automatic,

    /// <summary>
    /// By 1 / temperature, the largest value that rows of unit length allow. Sums of exponentials are plain sums. The terms reach down to
    /// exp(-2 / temperature), which is a normal float32 for temperatures above 0.023.
    /// </summary>
    FixedShift,

    /// <summary>By the largest exponent of each row, found on the way. For any temperature and any length of rows.</summary>
    RowMaximum,
}
