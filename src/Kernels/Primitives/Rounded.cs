using ILGPU;
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
