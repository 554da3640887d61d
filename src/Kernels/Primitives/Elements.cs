using ILGPU;
using ILGPU.Runtime.Cuda;
using Pascl.Kernels.Device;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <summary>How a kernel reads and writes elements of one type: it computes in <see cref="float"/> whatever the tensors hold.</summary>
/// <typeparam name="T">What the tensors hold.</typeparam>
public interface IElement<T>
    where T : unmanaged
{
    /// <summary>The same number.</summary>
    static abstract float ToSingle(T value);

    /// <summary>The nearest number of the type.</summary>
    static abstract T FromSingle(float value);
}

/// <summary>Tensors of <see cref="float"/>.</summary>
public readonly struct SingleElement : IElement<float>
{
    /// <inheritdoc/>
    public static float ToSingle(float value) => value;

    /// <inheritdoc/>
    public static float FromSingle(float value) => value;
}

/// <summary>Tensors of IEEE half precision.</summary>
public readonly struct Float16Element : IElement<Half>
{
    private const uint Sign = 0x8000;
    private const uint Magnitude = 0x7FFF_FFFF;
    private const uint InfinityOfSingle = 0x7F80_0000;
    private const uint FirstTooLarge = 0x4780_0000; // 2^16
    private const uint SmallestNormal = 0x3880_0000; // 2^-14
    private const uint ExponentDifference = (127 - 15) << 23;

    /// <inheritdoc/>
    public static float ToSingle(Half value) => value;

    /// <inheritdoc/>
    /// <remarks>The GPU's conversion rounds; ILGPU's on the CPU cuts off, so there the bits are computed here.</remarks>
    public static Half FromSingle(float value) => CudaAsm.IsSupported ? (Half)value : Interop.IntAsFloat(Round(Interop.FloatAsInt(value)));

    private static ushort Round(uint single)
    {
        var magnitude = single & Magnitude;
        uint bits;
        if (magnitude >= FirstTooLarge)
        {
            bits = magnitude > InfinityOfSingle ? 0x7E00u : 0x7C00u;
        }
        else if (magnitude < SmallestNormal)
        {
            // The spacing of singles between 1/2 and 1 is that of the small halves, so the addition rounds.
            bits = Interop.FloatAsInt(Interop.IntAsFloat(magnitude) + 0.5f) - Interop.FloatAsInt(0.5f);
        }
        else
        {
            // As in BFloat16: just under half a step, or half where the last bit is odd.
            bits = (magnitude - ExponentDifference + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
        }

        return (ushort)(((single >> 16) & Sign) | bits);
    }
}

/// <summary>Tensors of <see cref="BFloat16"/>.</summary>
public readonly struct BFloat16Element : IElement<BFloat16>
{
    /// <inheritdoc/>
    public static float ToSingle(BFloat16 value) => value;

    /// <inheritdoc/>
    public static BFloat16 FromSingle(float value) => BFloat16.FromBits((ushort)Pair(value, 0));

    /// <summary>Two numbers, each as <see cref="FromSingle"/>: the first in the low half. By one instruction where there is one for it.</summary>
    internal static uint Pair(float first, float second)
    {
        if (DeviceFeatures.HasTensorCores())
        {
            Output<uint> pair = default;
            Input<float> low = first, high = second;
            CudaAsm.EmitRef("cvt.rn.bf16x2.f32 %0, %2, %1;", ref pair, ref low, ref high);
            return pair.Value;
        }

        return ((BFloat16)first).Bits | ((uint)((BFloat16)second).Bits << 16);
    }
}
