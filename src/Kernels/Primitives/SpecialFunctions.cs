using ILGPU.Algorithms;
using ILGPU.Runtime.Cuda;

namespace Pascl.Kernels;

/// <summary>
/// Functions that a GPU has an instruction for, inside a kernel, where the compiler takes another way: a power and a reciprocal that are nearly as exact as those that
/// call a subroutine for unusual numbers, and products that stay products.
/// </summary>
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

    /// <summary>left right, rounded, even where something is added: else that becomes one operation with one rounding, and other bits than on the CPU.</summary>
    public static float Product(float left, float right)
    {
        if (CudaAsm.IsSupported)
        {
            Output<float> product = default;
            Input<float> first = left, second = right;
            CudaAsm.EmitRef("mul.rn.f32 %0, %1, %2;", ref product, ref first, ref second);
            return product.Value;
        }

        return left * right;
    }

    /// <summary>The same in double precision.</summary>
    public static double Product(double left, double right)
    {
        if (CudaAsm.IsSupported)
        {
            Output<double> product = default;
            Input<double> first = left, second = right;
            CudaAsm.EmitRef("mul.rn.f64 %0, %1, %2;", ref product, ref first, ref second);
            return product.Value;
        }

        return left * right;
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
