using System.Runtime.CompilerServices;

namespace Pascl.Kernels;

/// <summary>
/// A colour as hue, saturation and value bytes. Both conversions give Pillow's bytes (modes RGB and HSV) for each of the 2^24 inputs, and choose by
/// small tables in constants: branches on the colour would be mispredicted on a CPU and diverge on a GPU.
/// </summary>
/// <param name="H">Hue; 255 steps a turn, from red through green and blue.</param>
/// <param name="S">Saturation.</param>
/// <param name="V">Value, the largest of the three colours.</param>
public readonly record struct Hsv(byte H, byte S, byte V)
{
    // Eight entries of four bits and of one bit: the sixth of the turn from which the hue is counted, plus one, and whether it is counted upwards.
    private const uint StartOfOrder = 0x40426002;
    private const uint RisesOfOrder = 0b1001_0100;

    // Seven entries of eight bits, for the sixths of the turn and its end: how far left V, p, and q or t are shifted; red is lowest, blue highest.
    private const ulong ValueShift = 0x00_00_10_10_08_08_00;
    private const ulong LowShift = 0x10_08_08_00_00_10_10;
    private const ulong MiddleShift = 0x08_10_00_08_10_00_08;

    /// <summary>
    /// Converts from red, green and blue. With range = max - min and x' = (max - x) / range, the hue in turns is 1/6 of b' - g', 2 + r' - b' or
    /// 4 + g' - r' where red, green or blue is largest, plus 1 if negative; saturation is range / max. Both are multiplied by 255 and truncated.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Hsv From(Rgb colour)
    {
        int r = colour.R, g = colour.G, b = colour.B;
        var max = Math.Max(Math.Max(r, g), b);
        var min = Math.Min(Math.Min(r, g), b);
        var range = max - min;
        if (range == 0)
        {
            return new Hsv(0, 0, (byte)max);
        }

        // Of the three x', the largest colour's is 0 and the smallest's is 1: the hue is a whole sixth plus or minus the x' of the middle one.
        var order = (Less(r, g) << 2) | (Less(g, b) << 1) | Less(r, b);
        var start = (int)((StartOfOrder >> (4 * order)) & 15) - 1;
        var direction = (2 * (int)((RisesOfOrder >> order) & 1)) - 1;
        var middle = r + g + b - max - min;
        var sixths = (float)(start + (double)(direction * (max - middle) / (float)range));
        var turns = (float)((sixths * (1 / 6.0)) + Less(start, 0));
        return new Hsv((byte)(int)(turns * 255f), (byte)(255 * range / max), (byte)max);
    }

    /// <summary>
    /// Converts to red, green and blue. With i and f the whole and the fractional part of 6 H / 255 and s = S / 255, the colours are V and, rounded,
    /// p = V (1 - s) and q = V (1 - s f) for odd i, t = V (1 - s (1 - f)) for even i, placed by the sixth i of the turn.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Rgb ToRgb()
    {
        var sixth = 6u * H / 255;
        var fraction = (6u * H) - (255 * sixth);
        var fall = fraction ^ (255 * (~sixth & 1)); // 255 - fraction in even sixths
        var low = ((2u * V * (255u - S)) + 255) / (2 * 255);
        var middle = ((2u * V * ((255 * 255) - (S * fall))) + (255 * 255)) / (2 * 255 * 255);
        var place = (int)(8 * sixth);
        var packed = ((uint)V << (int)(ValueShift >> place)) | (low << (int)(LowShift >> place)) | (middle << (int)(MiddleShift >> place));
        return new Rgb((byte)packed, (byte)(packed >> 8), (byte)(packed >> 16));
    }

    // 1 if a < b, else 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Less(int a, int b) => (int)((uint)(a - b) >> 31);
}
