using System.Runtime.InteropServices;
using ILGPU.Algorithms;

namespace Pascl.Kernels;

/// <summary>Sums over part of an anchor's contrasts; 16 bytes, so that a GPU reads and writes them at once.</summary>
/// <param name="exponentials">sum 2^(t - shift) over the contrasts, t = x_i . x_j log2(e) / temperature.</param>
/// <param name="positives">sum t over the positives.</param>
/// <param name="count">Number of positives.</param>
/// <param name="shift">The largest t; unused where the shift is fixed.</param>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct ContrastiveSums(float exponentials, float positives, float count, float shift)
{
    // Below every exponent, and finite: infinity minus itself would be no number.
    private const float Lowest = -1e38f;

    public readonly float Exponentials = exponentials;
    public readonly float Positives = positives;
    public readonly float Count = count;
    public readonly float Shift = shift;

    /// <summary>The sums over nothing.</summary>
    public static ContrastiveSums Empty => new(0, 0, 0, Lowest);

    /// <summary>With one more contrast.</summary>
    /// <param name="exponent">t.</param>
    /// <param name="fixedShift">The shift, where it is fixed.</param>
    /// <param name="isContrast">False for the anchor itself and for what fills up a tile.</param>
    /// <param name="isPositive">Whether it is a contrast of the anchor's class.</param>
    public ContrastiveSums With<TShift>(float exponent, float fixedShift, bool isContrast, bool isPositive)
        where TShift : unmanaged, IExponentShift
    {
        var positives = isPositive ? Positives + exponent : Positives;
        var count = isPositive ? Count + 1 : Count;
        if (default(TShift).IsFixed)
        {
            return new(isContrast ? Exponentials + XMath.Exp2(exponent - fixedShift) : Exponentials, positives, count, Shift);
        }

        var shift = isContrast ? XMath.Max(Shift, exponent) : Shift;
        var term = isContrast ? XMath.Exp2(exponent - shift) : 0;
        return new((Exponentials * XMath.Exp2(Shift - shift)) + term, positives, count, shift);
    }

    /// <summary>The sums over these contrasts and others.</summary>
    public ContrastiveSums And<TShift>(ContrastiveSums other)
        where TShift : unmanaged, IExponentShift
    {
        if (default(TShift).IsFixed)
        {
            return new(Exponentials + other.Exponentials, Positives + other.Positives, Count + other.Count, Shift);
        }

        var shift = XMath.Max(Shift, other.Shift);
        var exponentials = (Exponentials * XMath.Exp2(Shift - shift)) + (other.Exponentials * XMath.Exp2(other.Shift - shift));
        return new(exponentials, Positives + other.Positives, Count + other.Count, shift);
    }
}
