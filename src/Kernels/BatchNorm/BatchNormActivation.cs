namespace Pascl.Kernels;

/// <summary>What follows the normalisation in the same pass.</summary>
public enum BatchNormActivation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>max(0, y).</summary>
    Rectify,

    /// <summary>max(0, y + residual): the end of a residual block.</summary>
    AddAndRectify,
}
