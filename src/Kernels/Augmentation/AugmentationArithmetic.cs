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
        // The cast keeps the product's rounding: a fused multiply-add would truncate to another byte here and there.
        var product = (float)(factor * (to - from));
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
