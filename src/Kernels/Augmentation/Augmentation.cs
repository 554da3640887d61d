using System.Runtime.InteropServices;

namespace Pascl.Kernels;

/// <summary>
/// Augments an image on the CPU: crop, flip, colour jitter and greyscale, as torchvision does on Pillow images, to float32 in [0, 1]. The
/// pixel arithmetic is
/// <see cref="AugmentationArithmetic"/>; the result equals <see cref="AugmentationReference"/> in every bit.
/// </summary>
public static class Augmentation
{
    private const int Channels = 3;

    private static readonly float[] UnitOfByte = [.. Enumerable.Range(0, 256).Select(value => AugmentationArithmetic.ToUnit((byte)value))];

    /// <summary>Makes one view of an image.</summary>
    /// <param name="source">(height, width, 3) bytes.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="parameters">What to do.</param>
    /// <param name="destination">(height, width, 3), receives the view in [0, 1].</param>
    /// <param name="scratch">At least height * width * 3 bytes, overwritten.</param>
    /// <exception cref="ArgumentException">A buffer has the wrong size.</exception>
    public static void Apply(
        ReadOnlySpan<byte> source, int height, int width, in AugmentationParameters parameters, Span<float> destination, Span<byte> scratch)
    {
        var size = height * width * Channels;
        if (source.Length != size || destination.Length != size || scratch.Length < size)
        {
            throw new ArgumentException(
                $"source, destination and scratch hold {source.Length}, {destination.Length} and {scratch.Length} values; "
                + $"an image of {height}x{width} needs {size}, {size} and at least {size}.");
        }

        scratch = scratch[..size];
        var pixels = MemoryMarshal.Cast<byte, Rgb>(scratch);
        Crop(MemoryMarshal.Cast<byte, Rgb>(source), height, width, parameters, pixels);
        for (var order = parameters.JitterOrder; order != 0; order = AugmentationParameters.Rest(order))
        {
            Adjust(scratch, pixels, AugmentationParameters.First(order), parameters);
        }

        if (parameters.Greyscale != 0)
        {
            foreach (ref var pixel in pixels)
            {
                pixel = AugmentationArithmetic.Greyscale(pixel);
            }
        }

        ToUnit(scratch, destination);
    }

    /// <summary>Bytes as numbers in [0, 1]: b / 255.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="destination">At least as many numbers, the first of which are set.</param>
    public static void ToUnit(ReadOnlySpan<byte> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        for (var i = 0; i < source.Length; i++)
        {
            destination[i] = UnitOfByte[source[i]];
        }
    }

    private static void Crop(ReadOnlySpan<Rgb> source, int height, int width, in AugmentationParameters parameters, Span<Rgb> view)
    {
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++)
            {
                var index = AugmentationArithmetic.SourceIndex(row, column, height, width, parameters);
                view[(row * width) + column] = index < 0 ? Rgb.Black : source[index];
            }
        }
    }

    private static void Adjust(Span<byte> bytes, Span<Rgb> pixels, ColourOperation operation, in AugmentationParameters parameters)
    {
        switch (operation)
        {
            case ColourOperation.Brightness:
                BlendWith(0, parameters.Brightness, bytes);
                break;
            case ColourOperation.Contrast:
                BlendWith(MeanLuminance(pixels), parameters.Contrast, bytes);
                break;
            case ColourOperation.Saturation:
                foreach (ref var pixel in pixels)
                {
                    pixel = AugmentationArithmetic.Blend(AugmentationArithmetic.Luminance(pixel), pixel, parameters.Saturation);
                }

                break;
            case ColourOperation.Hue:
                foreach (ref var pixel in pixels)
                {
                    pixel = AugmentationArithmetic.ShiftHue(pixel, parameters.HueShift);
                }

                break;
        }
    }

    // A blend with one grey maps every byte alike: 256 blends make a table for the whole image.
    private static void BlendWith(int grey, float factor, Span<byte> bytes)
    {
        Span<byte> table = stackalloc byte[256];
        for (var value = 0; value < table.Length; value++)
        {
            table[value] = AugmentationArithmetic.Blend(grey, value, factor);
        }

        foreach (ref var value in bytes)
        {
            value = table[value];
        }
    }

    private static int MeanLuminance(ReadOnlySpan<Rgb> pixels)
    {
        var sum = 0L;
        foreach (var pixel in pixels)
        {
            sum += AugmentationArithmetic.Luminance(pixel);
        }

        return AugmentationArithmetic.MeanLuminance(sum, pixels.Length);
    }
}
