using ILGPU.Algorithms;
using ILGPU.Runtime.Cuda;

namespace Pascl.Kernels;

/// <summary>Functions that a GPU has an instruction for, inside a kernel: nearly as exact as the function, which also calls a subroutine for unusual numbers.</summary>
internal static class SpecialFunctions
{
    /// <summary>2^x: relative error 2^-22.5, results below the smallest normal number are 0.</summary>
    public static float Exp2(float x)
    {
        if (CudaAsm.IsSupported)
        {
            Output<float> power = default;
            Input<float> exponent = x;
            CudaAsm.EmitRef("ex2.approx.ftz.f32 %0, %1;", ref power, ref exponent);
            return power.Value;
        }

        return XMath.Exp2(x);
    }

    /// <summary>1 / x for an x between 2^-126 and 2^126: off by one in the last bit at most.</summary>
    public static float Reciprocal(float x)
    {
        if (CudaAsm.IsSupported)
        {
            Output<float> reciprocal = default;
            Input<float> number = x;
            CudaAsm.EmitRef("rcp.approx.ftz.f32 %0, %1;", ref reciprocal, ref number);
            return reciprocal.Value;
        }

        return 1 / x;
    }
}
