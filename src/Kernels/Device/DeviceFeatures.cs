using System.Reflection;
using System.Runtime.CompilerServices;

namespace Pascl.Kernels.Device;

/// <summary>What a kernel can ask of the device that it is compiled for. The answer is a constant, and code for other devices is not in the kernel.</summary>
internal static class DeviceFeatures
{
    /// <summary>The method that <see cref="PtxPasses"/> replaces by a constant.</summary>
    public static readonly MethodInfo TensorCores = ((Func<bool>)HasTensorCores).Method;

    /// <summary>Whether it is a GPU of compute capability 8.0 or later, which also has instructions that round to bfloat16. The simulator is none.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool HasTensorCores() => false;
}
