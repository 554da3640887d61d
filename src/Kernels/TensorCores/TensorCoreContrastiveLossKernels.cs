namespace Pascl.Kernels;

/// <summary>Device code of TensorCoreContrastiveLoss, one file for each of its steps.</summary>
internal static partial class TensorCoreContrastiveLossKernels
{
    private const int WarpSize = 32;
}
