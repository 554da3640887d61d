using System.Globalization;
using ILGPU;
using ILGPU.Util;

namespace Pascl.Kernels;

/// <summary>The upper half of an IEEE single: 8 bits of exponent, 7 of fraction. It stores numbers; arithmetic happens in <see cref="float"/>.</summary>
/// <remarks>Integer arithmetic alone, so that the same code runs in kernels; libtorch's <c>bfloat16</c> has the same bits.</remarks>
public readonly struct BFloat16 : IEquatable<BFloat16>
{
    private const uint Magnitude = 0x7FFF_FFFF;
    private const uint Infinity = 0x7F80_0000;
    private const uint HalfStep = 0x7FFF;
    private const uint QuietNaN = 0x40;
    private const int Shift = 16;

    private readonly ushort bits;

    private BFloat16(ushort bits) => this.bits = bits;

    /// <summary>Sign, exponent and fraction, from the highest bit down.</summary>
    public ushort Bits => bits;

    /// <summary>The number with these bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>The nearest number; of two equally near ones that with an even last bit. Not-a-number stays so, and too large ones become infinite.</summary>
    public static explicit operator BFloat16(float value) => new(Round(Interop.FloatAsInt(value)));

    /// <summary>The same number.</summary>
    public static implicit operator float(BFloat16 value) => Interop.IntAsFloat((uint)value.bits << Shift);

    /// <summary>Whether the bits are equal: not-a-number equals itself, and the two zeros differ.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => left.bits == right.bits;

    /// <summary>Whether the bits differ.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => left.bits != right.bits;

    /// <summary>The same as the conversion to <see cref="float"/>.</summary>
    public float ToSingle() => this;

    /// <inheritdoc/>
    public bool Equals(BFloat16 other) => bits == other.bits;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => bits;

    /// <inheritdoc/>
    public override string ToString() => ToSingle().ToString(CultureInfo.InvariantCulture);

    // Adding just under half a step, or half where the last bit is odd, carries into the upper half exactly where the number must be rounded up. A carry out of
    // the fraction raises the exponent, which is right as well. A not-a-number could carry into another number, so it is cut off and made quiet instead.
    // Both are computed and one is selected, because a branch per element costs a kernel more.
    private static ushort Round(uint single) => (ushort)Utilities.Select(
        (single & Magnitude) > Infinity,
        (single >> Shift) | QuietNaN,
        (single + HalfStep + ((single >> Shift) & 1)) >> Shift);
}
