namespace Pascl.Kernels;

/// <summary>How <see cref="TensorCoreContrastiveLoss"/> multiplies rows. Sums are in float32 always.</summary>
public enum ContrastivePrecision
{
    /// <summary>
    /// Each number is the sum of two bfloat16, sixteen bits of significand, and three products are summed: nearly as exact as float32 arithmetic, at a third of
    /// the speed of <see cref="BFloat16"/>.
    /// </summary>
    BFloat16x3,

    /// <summary>Each number is rounded to bfloat16, eight bits of significand, as automatic mixed precision does.</summary>
    BFloat16,
}
