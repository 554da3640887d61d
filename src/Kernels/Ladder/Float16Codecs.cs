using ILGPU;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <summary>BatchNorm of IEEE half precision, one element at a time; training stores bfloat16.</summary>
internal readonly struct Float16Scalar : ICodec<Half, One>
{
    public static One Read(Half stored) => new(Float16Element.ToSingle(stored));

    public static Half Write(One lanes) => Float16Element.FromSingle(lanes.X);
}

/// <summary>The same, 16 bytes at once.</summary>
internal readonly struct Float16Packet : ICodec<Packet, Eight>
{
    public static Eight Read(Packet stored) => new(Pair(stored.X, stored.Y), Pair(stored.Z, stored.W));

    public static Packet Write(Eight lanes) => new(
        Pack(lanes.Low.X, lanes.Low.Y), Pack(lanes.Low.Z, lanes.Low.W), Pack(lanes.High.X, lanes.High.Y), Pack(lanes.High.Z, lanes.High.W));

    private static Four Pair(uint first, uint second) => new(Low(first), Low(first >> 16), Low(second), Low(second >> 16));

    private static float Low(uint bits) => Float16Element.ToSingle(Interop.IntAsFloat((ushort)bits));

    private static uint Pack(float low, float high) => Bits(low) | (Bits(high) << 16);

    private static uint Bits(float value) => Interop.FloatAsInt(Float16Element.FromSingle(value));
}
