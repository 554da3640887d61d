using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace Pascl.Kernels;

/// <summary>
/// A few numbers that one thread handles at once inside a kernel, each by itself. Fields instead of an array, so that they stay in registers.
/// </summary>
internal interface ILanes<TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>How many.</summary>
    static abstract int Width { get; }

    /// <summary>Sums.</summary>
    static abstract TSelf operator +(TSelf left, TSelf right);

    /// <summary>Differences.</summary>
    static abstract TSelf operator -(TSelf left, TSelf right);

    /// <summary>Products.</summary>
    static abstract TSelf operator *(TSelf left, TSelf right);

    /// <summary>Each times one factor.</summary>
    static abstract TSelf operator *(TSelf left, float right);

    /// <summary>The same number in each.</summary>
    static abstract TSelf Fill(float value);

    /// <summary>The values at <c>first</c>, <c>first + step</c>, ...</summary>
    static abstract TSelf Gather(ArrayView<float> values, int first, int step);

    /// <summary>1 / sqrt(each + summand).</summary>
    static abstract TSelf InverseSquareRoot(TSelf values, float summand);

    /// <summary>
    /// The values whose gate is above 0, and 0 for the others; a gate that is not a number lets through, so that one in the input is not lost.
    /// </summary>
    static abstract TSelf Pass(TSelf values, TSelf gates);

    float Sum();

    /// <summary>One of them.</summary>
    float Lane(int index);
}

/// <summary>One number.</summary>
internal readonly struct One(float x) : ILanes<One>
{
    public readonly float X = x;

    public static int Width => 1;

    public static One operator +(One left, One right) => new(left.X + right.X);

    public static One operator -(One left, One right) => new(left.X - right.X);

    public static One operator *(One left, One right) => new(left.X * right.X);

    public static One operator *(One left, float right) => new(left.X * right);

    public static One Fill(float value) => new(value);

    public static One Gather(ArrayView<float> values, int first, int step) => new(values[first]);

    public static One InverseSquareRoot(One values, float summand) => new(InverseSquareRoot(values.X + summand));

    public static One Pass(One values, One gates) => new(Pass(values.X, gates.X));

    public float Sum() => X;

    public float Lane(int index) => X;

    internal static float InverseSquareRoot(float value) => 1 / XMath.Sqrt(value);

    internal static float Pass(float value, float gate) => Utilities.Select(gate <= 0, 0f, value);
}

/// <summary>Four numbers: 16 bytes of singles.</summary>
internal readonly struct Four(float x, float y, float z, float w) : ILanes<Four>
{
    public readonly float X = x;
    public readonly float Y = y;
    public readonly float Z = z;
    public readonly float W = w;

    public static int Width => 4;

    public static Four operator +(Four left, Four right) => new(left.X + right.X, left.Y + right.Y, left.Z + right.Z, left.W + right.W);

    public static Four operator -(Four left, Four right) => new(left.X - right.X, left.Y - right.Y, left.Z - right.Z, left.W - right.W);

    public static Four operator *(Four left, Four right) => new(left.X * right.X, left.Y * right.Y, left.Z * right.Z, left.W * right.W);

    public static Four operator *(Four left, float right) => new(left.X * right, left.Y * right, left.Z * right, left.W * right);

    public static Four Fill(float value) => new(value, value, value, value);

    public static Four Gather(ArrayView<float> values, int first, int step) =>
        new(values[first], values[first + step], values[first + (2 * step)], values[first + (3 * step)]);

    public static Four InverseSquareRoot(Four values, float summand) => new(
        One.InverseSquareRoot(values.X + summand),
        One.InverseSquareRoot(values.Y + summand),
        One.InverseSquareRoot(values.Z + summand),
        One.InverseSquareRoot(values.W + summand));

    public static Four Pass(Four values, Four gates) => new(
        One.Pass(values.X, gates.X),
        One.Pass(values.Y, gates.Y),
        One.Pass(values.Z, gates.Z),
        One.Pass(values.W, gates.W));

    public float Sum() => (X + Y) + (Z + W);

    // Selections instead of branches: a thread asks for another lane than its neighbour.
    public float Lane(int index) => Utilities.Select(index < 2, Utilities.Select(index == 0, X, Y), Utilities.Select(index == 2, Z, W));
}

/// <summary>Eight numbers: 16 bytes of 16-bit numbers.</summary>
internal readonly struct Eight(Four low, Four high) : ILanes<Eight>
{
    public readonly Four Low = low;
    public readonly Four High = high;

    public static int Width => 8;

    public static Eight operator +(Eight left, Eight right) => new(left.Low + right.Low, left.High + right.High);

    public static Eight operator -(Eight left, Eight right) => new(left.Low - right.Low, left.High - right.High);

    public static Eight operator *(Eight left, Eight right) => new(left.Low * right.Low, left.High * right.High);

    public static Eight operator *(Eight left, float right) => new(left.Low * right, left.High * right);

    public static Eight Fill(float value) => new(Four.Fill(value), Four.Fill(value));

    public static Eight Gather(ArrayView<float> values, int first, int step) =>
        new(Four.Gather(values, first, step), Four.Gather(values, first + (4 * step), step));

    public static Eight InverseSquareRoot(Eight values, float summand) =>
        new(Four.InverseSquareRoot(values.Low, summand), Four.InverseSquareRoot(values.High, summand));

    public static Eight Pass(Eight values, Eight gates) => new(Four.Pass(values.Low, gates.Low), Four.Pass(values.High, gates.High));

    public float Sum() => Low.Sum() + High.Sum();

    public float Lane(int index) => Utilities.Select(index < 4, Low.Lane(index), High.Lane(index - 4));
}

/// <summary>A thread's channels of (x - mean) / sqrt(variance + epsilon) * weight + bias.</summary>
internal readonly struct Affine<TLanes>(TLanes mean, TLanes inverseDeviation, TLanes factor, TLanes bias)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly TLanes Mean = mean;
    public readonly TLanes InverseDeviation = inverseDeviation;
    public readonly TLanes Factor = factor;
    public readonly TLanes Bias = bias;

    /// <summary>Reads the channels <c>channel</c>, <c>channel + step</c>, ...</summary>
    public static Affine<TLanes> Of(
        ArrayView<float> means, ArrayView<float> variances, ArrayView<float> weight, ArrayView<float> bias, float epsilon, int channel, int step)
    {
        var inverse = TLanes.InverseSquareRoot(TLanes.Gather(variances, channel, step), epsilon);
        return new(TLanes.Gather(means, channel, step), inverse, inverse * TLanes.Gather(weight, channel, step), TLanes.Gather(bias, channel, step));
    }

    /// <summary>The difference first: multiplied out, a mean far from 0 would cost accuracy.</summary>
    public TLanes Apply(TLanes input) => ((input - Mean) * Factor) + Bias;
}

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
