using System.Runtime.InteropServices;
using ILGPU;

namespace Pascl.Kernels;

internal readonly struct SingleScalar : ICodec<float, One>
{
    public static One Read(float stored) => new(SingleElement.ToSingle(stored));

    public static float Write(One lanes) => SingleElement.FromSingle(lanes.X);
}

internal readonly struct BFloat16Scalar : ICodec<BFloat16, One>
{
    public static One Read(BFloat16 stored) => new(BFloat16Element.ToSingle(stored));

    public static BFloat16 Write(One lanes) => BFloat16Element.FromSingle(lanes.X);
}

internal readonly struct SinglePacket : ICodec<Packet, Four>
{
    public static Four Read(Packet stored) =>
        new(Interop.IntAsFloat(stored.X), Interop.IntAsFloat(stored.Y), Interop.IntAsFloat(stored.Z), Interop.IntAsFloat(stored.W));

    public static Packet Write(Four lanes) =>
        new(Interop.FloatAsInt(lanes.X), Interop.FloatAsInt(lanes.Y), Interop.FloatAsInt(lanes.Z), Interop.FloatAsInt(lanes.W));
}

internal readonly struct BFloat16Packet : ICodec<Packet, Eight>
{
    public static Eight Read(Packet stored) => new(Pair(stored.X, stored.Y), Pair(stored.Z, stored.W));

    public static Packet Write(Eight lanes) => new(
        BFloat16Element.Pair(lanes.Low.X, lanes.Low.Y),
        BFloat16Element.Pair(lanes.Low.Z, lanes.Low.W),
        BFloat16Element.Pair(lanes.High.X, lanes.High.Y),
        BFloat16Element.Pair(lanes.High.Z, lanes.High.W));

    // A bfloat16 is the upper half of a single, so two are a shift and a mask.
    private static Four Pair(uint first, uint second) => new(
        Interop.IntAsFloat(first << 16), Interop.IntAsFloat(first & 0xFFFF_0000), Interop.IntAsFloat(second << 16), Interop.IntAsFloat(second & 0xFFFF_0000));
}

/// <summary>How a kernel turns what it loads into numbers, and back: one element, or 16 bytes of them.</summary>
/// <typeparam name="TStored">What is loaded and stored.</typeparam>
/// <typeparam name="TLanes">What is computed with.</typeparam>
internal interface ICodec<TStored, TLanes>
    where TStored : unmanaged
    where TLanes : unmanaged, ILanes<TLanes>
{
    static abstract TLanes Read(TStored stored);

    static abstract TStored Write(TLanes lanes);
}

/// <summary>16 bytes that a thread loads or stores with one instruction; its address must be a multiple of 16.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct Packet(uint x, uint y, uint z, uint w)
{
    public readonly uint X = x;
    public readonly uint Y = y;
    public readonly uint Z = z;
    public readonly uint W = w;
}
