using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime.Cuda;

namespace Pascl.Kernels;

/// <summary>
/// Sums and products of <see cref="float"/> that are rounded where they are written, inside a kernel. A GPU's assembler joins a product and a sum into one
/// instruction with one rounding where it likes, and a CPU's vector code does so where its author liked; these are what they say on both.
/// </summary>
internal static class Rounded
{
    /// <summary>left * right, rounded to nearest.</summary>
    public static float Multiply(float left, float right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("mul.rn.f32 %0, %1, %2;", out float product, left, right);
            return product;
        }

        return left * right;
    }

    /// <summary>left * right in double precision, rounded to nearest.</summary>
    public static double Multiply(double left, double right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("mul.rn.f64 %0, %1, %2;", out double product, left, right);
            return product;
        }

        return left * right;
    }

    /// <summary>left + right, rounded to nearest.</summary>
    public static float Add(float left, float right)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("add.rn.f32 %0, %1, %2;", out float sum, left, right);
            return sum;
        }

        return left + right;
    }

    /// <summary>factor * value + summand with one rounding.</summary>
    public static float MultiplyAdd(float factor, float value, float summand)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("fma.rn.f32 %0, %1, %2, %3;", out float sum, factor, value, summand);
            return sum;
        }

        return ByDoubles(factor, value, summand);
    }

    // ILGPU has no translation of MathF.FusedMultiplyAdd, and would leave a call that nobody answers in the GPU's code. The product is exact in double. The sum
    // is not, and rounding it twice could end on the wrong side of a tie; so what was lost (Knuth's two-sum) makes its last bit odd, which is no tie of floats
    // (Boldo and Melquiond, 2008).
    private static float ByDoubles(float factor, float value, float summand)
    {
        var product = (double)factor * value;
        var sum = product + summand;
        var added = sum - product;
        var lost = (product - (sum - added)) + (summand - added);
        var bits = Interop.FloatAsInt(sum);
        var isInexact = lost > 0 || lost < 0;
        if (isInexact && (bits & 1) == 0)
        {
            bits = lost > 0 == sum > 0 ? bits + 1 : bits - 1;
        }

        return (float)Interop.IntAsFloat(bits);
    }
}

/// <summary>
/// Functions that a GPU has an instruction for, inside a kernel, where the compiler takes another way: a power and a reciprocal that are nearly as exact as those that
/// call a subroutine for unusual numbers.
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
