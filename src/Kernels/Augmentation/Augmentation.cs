using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Pascl.Kernels;

/// <summary>
/// Augments an image on the CPU: crop, flip, colour jitter and greyscale, as torchvision does on Pillow images, to float32 in [0, 1]. The
/// pixel arithmetic is
/// <see cref="AugmentationArithmetic"/>; the result equals <see cref="AugmentationReference"/> in every bit.
/// </summary>
public static class Augmentation
{
    private const int Channels = 3;

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
            PixelVectors.Apply(pixels, default(PixelVectors.ToGrey));
        }

        ToUnit(scratch, destination);
    }

    /// <summary>Bytes as numbers in [0, 1]: b / 255.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="destination">At least as many numbers, the first of which are set.</param>
    public static void ToUnit(ReadOnlySpan<byte> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        var i = 0;
        for (; i + Vector128<byte>.Count <= source.Length; i += Vector128<byte>.Count)
        {
            var (lower, upper) = Vector256.Widen(Vector256.WidenLower(Vector128.Create(source.Slice(i, Vector128<byte>.Count)).ToVector256Unsafe()));
            (Vector256.ConvertToSingle(lower.AsInt32()) / 255f).CopyTo(destination[i..]);
            (Vector256.ConvertToSingle(upper.AsInt32()) / 255f).CopyTo(destination[(i + Vector256<float>.Count)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = AugmentationArithmetic.ToUnit(source[i]);
        }
    }

    private static void Crop(ReadOnlySpan<Rgb> source, int height, int width, in AugmentationParameters parameters, Span<Rgb> view)
    {
        if (parameters is { Top: 0, Left: 0, Flip: 0 })
        {
            source.CopyTo(view);
            return;
        }

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
                PixelVectors.Apply(pixels, new PixelVectors.Saturate(parameters.Saturation));
                break;
            case ColourOperation.Hue:
                PixelVectors.Apply(pixels, new PixelVectors.ShiftHue(parameters.HueShift));
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

/// <summary>
/// <see cref="AugmentationArithmetic"/> of eight pixels at a time, in the elements of vectors: the same integers and the same roundings, so the same bytes. On a CPU without
/// such vectors, and for the pixels that are left over, the scalar form computes.
/// </summary>
internal static class PixelVectors
{
    /// <summary>What is done with a pixel, and with eight whose red, green and blue are the lowest, second and third byte of an element.</summary>
    public interface IOperation
    {
        /// <summary>One pixel.</summary>
        Rgb Of(Rgb pixel);

        /// <summary>Eight pixels; the highest byte of the result is 0.</summary>
        Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue);
    }

    /// <summary>Changes every pixel.</summary>
    public static void Apply<T>(Span<Rgb> pixels, T operation)
        where T : struct, IOperation
    {
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            var bytes = MemoryMarshal.AsBytes(pixels);
            ref var first = ref MemoryMarshal.GetReference(bytes);
            var mask = Vector256.Create(255);

            // Four bytes are read and written for three, from left to right; so the last eight pixels need one more behind them.
            for (; i + 8 < pixels.Length; i += 8)
            {
                ref var place = ref Unsafe.Add(ref first, 3 * i);
                var packed = Vector256.Create(
                    Four(ref place, 0), Four(ref place, 3), Four(ref place, 6), Four(ref place, 9), Four(ref place, 12), Four(ref place, 15), Four(ref place, 18), Four(ref place, 21));
                var behind = Unsafe.Add(ref place, 24);
                var result = operation.Of(packed & mask, (packed >> 8) & mask, (packed >> 16) & mask);
                for (var pixel = 0; pixel < 8; pixel++)
                {
                    Unsafe.WriteUnaligned(ref Unsafe.Add(ref place, 3 * pixel), result.GetElement(pixel));
                }

                Unsafe.Add(ref place, 24) = behind;
            }
        }

        for (; i < pixels.Length; i++)
        {
            pixels[i] = operation.Of(pixels[i]);
        }
    }

    private static int Four(ref byte place, int offset) => Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref place, offset));

    private static Vector256<int> Luminance(Vector256<int> red, Vector256<int> green, Vector256<int> blue) =>
        ((red * 19595) + (green * 38470) + (blue * 7471) + Vector256.Create(0x8000)) >>> 16;

    private static Vector256<int> Packed(Vector256<int> red, Vector256<int> green, Vector256<int> blue) => red | (green << 8) | (blue << 16);

    // Where the quotient of integers is no whole number it is farther from one than the rounding of the division moves it, so cutting it is exact.
    private static Vector256<int> Quotient(Vector256<int> dividend, Vector256<int> divisor) =>
        Vector256.ConvertToInt32(Vector256.ConvertToSingle(dividend) / Vector256.ConvertToSingle(divisor));

    /// <summary><see cref="AugmentationArithmetic.Greyscale"/>.</summary>
    public readonly struct ToGrey : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.Greyscale(pixel);

        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue) => Luminance(red, green, blue) * 0x010101;
    }

    /// <summary>A blend of every pixel with its luminance.</summary>
    public readonly struct Saturate(float factor) : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.Blend(AugmentationArithmetic.Luminance(pixel), pixel, factor);

        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var from = Luminance(red, green, blue);
            return Packed(Blend(from, red), Blend(from, green), Blend(from, blue));
        }

        private Vector256<int> Blend(Vector256<int> from, Vector256<int> to)
        {
            // Two roundings, as in the scalar form.
            var product = Vector256.ConvertToSingle(to - from) * factor;
            var sum = Vector256.ConvertToInt32(Vector256.ConvertToSingle(from) + product);
            return Vector256.Min(Vector256.Max(sum, Vector256<int>.Zero), Vector256.Create(255));
        }
    }

    /// <summary><see cref="AugmentationArithmetic.ShiftHue"/>.</summary>
    public readonly struct ShiftHue(int shift) : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.ShiftHue(pixel, shift);

        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var (hue, saturation, value) = FromColours(red, green, blue);
            return ToColours((hue + Vector256.Create(shift)) & Vector256.Create(255), saturation, value);
        }

        // As Hsv.From, with tables in vectors.
        private static (Vector256<int> Hue, Vector256<int> Saturation, Vector256<int> Value) FromColours(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var max = Vector256.Max(Vector256.Max(red, green), blue);
            var min = Vector256.Min(Vector256.Min(red, green), blue);
            var range = max - min;
            var order = ((red - green) >>> 31 << 2) | ((green - blue) >>> 31 << 1) | ((red - blue) >>> 31);
            var start = Vector256.Shuffle(Vector256.Create(1, -1, -1, 5, 1, 3, -1, 3), order);
            var direction = Vector256.Shuffle(Vector256.Create(-1, -1, 1, -1, 1, -1, -1, 1), order);
            var middle = red + green + blue - max - min;
            var distance = Vector256.ConvertToSingle(direction * (max - middle)) / Vector256.ConvertToSingle(range);
            var sixths = Vector256.ConvertToSingle(start) + distance;
            var wraps = Vector256.ConvertToSingle(start >>> 31);
            var (lower, upper) = Vector256.Widen(sixths);
            var (lowerWraps, upperWraps) = Vector256.Widen(wraps);
            var turns = Vector256.Narrow((lower * (1 / 6.0)) + lowerWraps, (upper * (1 / 6.0)) + upperWraps);
            var hue = Vector256.ConvertToInt32(turns * 255f) & Vector256.Create(255);
            var isGrey = Vector256.Equals(range, Vector256<int>.Zero);
            return (Vector256.AndNot(hue, isGrey), Vector256.AndNot(Quotient(range * 255, max), isGrey), max);
        }

        // As Hsv.ToRgb; a shift to one of three places is a product.
        private static Vector256<int> ToColours(Vector256<int> hue, Vector256<int> saturation, Vector256<int> value)
        {
            const int red = 1, green = 1 << 8, blue = 1 << 16;
            var full = Vector256.Create(255);
            var sixth = (hue * 6 * 0x8081) >>> 23;
            var fraction = (hue * 6) - (sixth * 255);
            var fall = fraction ^ ((~sixth & Vector256<int>.One) * 255);
            var low = Quotient((value * 2 * (full - saturation)) + full, Vector256.Create(510));
            var middle = Middle(((value * 2) * (Vector256.Create(255 * 255) - (saturation * fall))) + Vector256.Create(255 * 255));
            return (value * Vector256.Shuffle(Vector256.Create(red, green, green, blue, blue, red, red, 0), sixth))
                + (low * Vector256.Shuffle(Vector256.Create(blue, blue, red, red, green, green, blue, 0), sixth))
                + (middle * Vector256.Shuffle(Vector256.Create(green, red, blue, green, red, blue, green, 0), sixth));
        }

        // The dividend is too large for a float32, whose quotient may be one off.
        private static Vector256<int> Middle(Vector256<int> dividend)
        {
            var divisor = Vector256.Create(2 * 255 * 255);
            var quotient = Quotient(dividend, divisor);
            var rest = dividend - (quotient * divisor);
            return quotient + (rest >> 31) + ((divisor - Vector256<int>.One - rest) >>> 31);
        }
    }
}
