namespace Pascl.Kernels;

/// <summary>How <see cref="MaskedLoss"/> sums the exponentials of a row.</summary>
public enum MaskedLossVariant
{
    /// <summary>The maximum first, then the sum below it: two readings of the matrix.</summary>
    TwoPass,

    /// <summary>One reading with a running maximum.</summary>
    Online,
}
