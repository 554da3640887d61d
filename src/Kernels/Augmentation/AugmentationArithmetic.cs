using System.Runtime.CompilerServices;

namespace Pascl.Kernels;

/// <summary>
/// The augmentation of one pixel: values in, values out, no allocation, no exceptions, so that CPU loops and GPU kernels run the same code.
/// Every operation rounds to bytes as torchvision does on Pillow images; contrast alone needs more than its pixel, the mean luminance of
/// the image it is applied to.
/// </summary>
public static class AugmentationArithmetic
{
    /// <summary>
    /// Index (row * width + column) of the image's pixel that crop and flip move to (<paramref name="row"/>, <paramref name="column"/>), or
    /// -1 where the view shows the black padding.
    /// </summary>
    public static int SourceIndex(int row, int column, int height, int width, AugmentationParameters parameters)
    {
        var sourceRow = row + parameters.Top;
        var sourceColumn = (parameters.Flip == 0 ? column : width - 1 - column) + parameters.Left;
        var inside = (uint)sourceRow < (uint)height && (uint)sourceColumn < (uint)width;
        return inside ? (sourceRow * width) + sourceColumn : -1;
    }

    /// <summary>Luminance of ITU-R 601-2 in 16-bit fixed point, rounded: (19595 R + 38470 G + 7471 B + 2^15) / 2^16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Luminance(Rgb pixel) => ((pixel.R * 19595) + (pixel.G * 38470) + (pixel.B * 7471) + 0x8000) >> 16;

    /// <summary>Mean of an image's luminance, rounded to the nearest integer.</summary>
    public static int MeanLuminance(long sum, int pixels) => (int)(((double)sum / pixels) + 0.5);

    /// <summary>
    /// from + factor (to - from) in float32, clipped to [0, 255] and truncated; a factor above 1 moves away from <paramref name="from"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte Blend(int from, int to, float factor)
    {
        // A fused multiply-add would truncate to another byte here and there.
        var product = Rounded.Multiply(factor, to - from);
        return (byte)Math.Min(Math.Max((int)(from + product), 0), 255);
    }

    /// <summary>Blends every colour of a pixel with the grey <paramref name="from"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Rgb Blend(int from, Rgb pixel, float factor) =>
        new(Blend(from, pixel.R, factor), Blend(from, pixel.G, factor), Blend(from, pixel.B, factor));

    /// <summary>Applies one colour operation to a pixel.</summary>
    /// <param name="pixel">The pixel.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="parameters">The factors and the hue shift.</param>
    /// <param name="meanLuminance">
    /// For <see cref="ColourOperation.Contrast"/>: the <see cref="MeanLuminance"/> of the image as it is before this operation.
    /// </param>
    public static Rgb Adjust(Rgb pixel, ColourOperation operation, AugmentationParameters parameters, int meanLuminance) => operation switch
    {
        ColourOperation.Brightness => Blend(0, pixel, parameters.Brightness),
        ColourOperation.Contrast => Blend(meanLuminance, pixel, parameters.Contrast),
        ColourOperation.Saturation => Blend(Luminance(pixel), pixel, parameters.Saturation),
        ColourOperation.Hue => ShiftHue(pixel, parameters.HueShift),
        _ => pixel,
    };

    /// <summary>Adds <paramref name="shift"/> to the pixel's hue byte, modulo 256.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Rgb ShiftHue(Rgb pixel, int shift)
    {
        var hsv = Hsv.From(pixel);
        return new Hsv((byte)(hsv.H + shift), hsv.S, hsv.V).ToRgb();
    }

    /// <summary>The pixel without colour.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Rgb Greyscale(Rgb pixel)
    {
        var luminance = (byte)Luminance(pixel);
        return new Rgb(luminance, luminance, luminance);
    }

    /// <summary>A byte as a number in [0, 1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToUnit(byte value) => value / 255f;
}

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
        var turns = (float)(Rounded.Multiply(sixths, 1 / 6.0) + Less(start, 0));
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

/// <summary>One pixel as it lies in memory: a byte each of red, green and blue.</summary>
/// <param name="R">Red.</param>
/// <param name="G">Green.</param>
/// <param name="B">Blue.</param>
public readonly record struct Rgb(byte R, byte G, byte B)
{
    /// <summary>The colour outside the image: black.</summary>
    public static Rgb Black => default;
}
