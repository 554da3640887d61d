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

    // AugmentationArithmetic.SourceIndex by rows: a mirrored row is the mirror of the one that is not.
    private static void Crop(ReadOnlySpan<Rgb> source, int height, int width, in AugmentationParameters parameters, Span<Rgb> view)
    {
        var first = Math.Clamp(-parameters.Left, 0, width);
        var end = Math.Clamp(width - parameters.Left, first, width);
        for (var row = 0; row < height; row++)
        {
            var line = view.Slice(row * width, width);
            var sourceRow = row + parameters.Top;
            if ((uint)sourceRow >= (uint)height)
            {
                line.Clear();
                continue;
            }

            line[..first].Clear();
            source.Slice((sourceRow * width) + Math.Clamp(first + parameters.Left, 0, width), end - first).CopyTo(line[first..]);
            line[end..].Clear();
            if (parameters.Flip != 0)
            {
                line.Reverse();
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

    private static int MeanLuminance(ReadOnlySpan<Rgb> pixels) => AugmentationArithmetic.MeanLuminance(PixelVectors.SumOfLuminance(pixels), pixels.Length);
}

/// <summary>
/// <see cref="AugmentationArithmetic"/> of eight pixels at a time, in the elements of vectors: the same bytes, for every colour. On a CPU without
/// such vectors, and for the pixels that are left over, the scalar form computes.
/// </summary>
internal static class PixelVectors
{
    private const int Pixels = 8;
    private const int HalfBytes = 12;

    // A half is read as sixteen bytes, of which four belong to the pixels behind it.
    private const int PixelsRead = Pixels + 2;

    // Sums of luminance in 32 bits hold for so many pixels.
    private const int PixelsOfSum = 1 << 24;

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
            ref var first = ref MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pixels));
            for (; i + PixelsRead <= pixels.Length; i += Pixels)
            {
                ref var place = ref Unsafe.Add(ref first, 3 * i);
                var (red, green, blue) = Load(ref place);
                Store(operation.Of(red, green, blue), ref place);
            }
        }

        for (; i < pixels.Length; i++)
        {
            pixels[i] = operation.Of(pixels[i]);
        }
    }

    /// <summary>The sum of <see cref="AugmentationArithmetic.Luminance"/> over the pixels.</summary>
    public static long SumOfLuminance(ReadOnlySpan<Rgb> pixels)
    {
        var sum = 0L;
        for (; pixels.Length > PixelsOfSum; pixels = pixels[PixelsOfSum..])
        {
            sum += SumOfLuminance(pixels[..PixelsOfSum]);
        }

        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref var first = ref MemoryMarshal.GetReference(MemoryMarshal.AsBytes(pixels));
            var sums = Vector256<int>.Zero;
            for (; i + PixelsRead <= pixels.Length; i += Pixels)
            {
                var (red, green, blue) = Load(ref Unsafe.Add(ref first, 3 * i));
                sums += Luminance(red, green, blue);
            }

            var (lower, upper) = Vector256.Widen(sums);
            sum += Vector256.Sum(lower + upper);
        }

        for (; i < pixels.Length; i++)
        {
            sum += AugmentationArithmetic.Luminance(pixels[i]);
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<int> Red, Vector256<int> Green, Vector256<int> Blue) Load(ref readonly byte place)
    {
        var places = Vector128.Create((byte)0, 1, 2, 255, 3, 4, 5, 255, 6, 7, 8, 255, 9, 10, 11, 255);
        var packed = Vector256.Create(
            Vector128.Shuffle(Vector128.LoadUnsafe(in place), places), Vector128.Shuffle(Vector128.LoadUnsafe(in place, HalfBytes), places)).AsInt32();
        var mask = Vector256.Create(255);
        return (packed & mask, (packed >>> 8) & mask, packed >>> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<int> packed, ref byte place)
    {
        var places = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255);
        Vector128.Shuffle(packed.GetLower().AsByte(), places).StoreUnsafe(ref place);
        var upper = Vector128.Shuffle(packed.GetUpper().AsByte(), places);
        upper.GetLower().StoreUnsafe(ref place, HalfBytes);
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref place, HalfBytes + 8), upper.AsInt32().GetElement(2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Luminance(Vector256<int> red, Vector256<int> green, Vector256<int> blue) =>
        ((red * 19595) + (green * 38470) + (blue * 7471) + Vector256.Create(0x8000)) >>> 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Packed(Vector256<int> red, Vector256<int> green, Vector256<int> blue) => red | (green << 8) | (blue << 16);

    // Where the quotient of integers is no whole number it is farther from one than the rounding of the division moves it, so cutting it is exact: for dividends below 2^24,
    // which a float32 holds, and quotients of a byte.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Quotient(Vector256<int> dividend, Vector256<int> divisor) =>
        Vector256.ConvertToInt32Native(Vector256.ConvertToSingle(dividend) / Vector256.ConvertToSingle(divisor));

    /// <summary><see cref="AugmentationArithmetic.Greyscale"/>.</summary>
    public readonly struct ToGrey : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.Greyscale(pixel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue) => Luminance(red, green, blue) * 0x010101;
    }

    /// <summary>A blend of every pixel with its luminance.</summary>
    public readonly struct Saturate(float factor) : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.Blend(AugmentationArithmetic.Luminance(pixel), pixel, factor);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var from = Luminance(red, green, blue);
            return Packed(Blend(from, red), Blend(from, green), Blend(from, blue));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Vector256<int> Blend(Vector256<int> from, Vector256<int> to)
        {
            // Two roundings, as in the scalar form.
            var product = Vector256.ConvertToSingle(to - from) * factor;
            var sum = Vector256.ConvertToInt32Native(Vector256.ConvertToSingle(from) + product);
            return Vector256.Min(Vector256.Max(sum, Vector256<int>.Zero), Vector256.Create(255));
        }
    }

    /// <summary><see cref="AugmentationArithmetic.ShiftHue"/>.</summary>
    public readonly struct ShiftHue(int shift) : IOperation
    {
        public Rgb Of(Rgb pixel) => AugmentationArithmetic.ShiftHue(pixel, shift);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<int> Of(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var (hue, saturation, value) = FromColours(red, green, blue);
            return ToColours((hue + Vector256.Create(shift)) & Vector256.Create(255), saturation, value);
        }

        // As Hsv.From, with tables in vectors. A sixth is a division in float32 here and a product in float64 there: the bytes are the same for every colour.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static (Vector256<int> Hue, Vector256<int> Saturation, Vector256<int> Value) FromColours(Vector256<int> red, Vector256<int> green, Vector256<int> blue)
        {
            var max = Vector256.Max(Vector256.Max(red, green), blue);
            var min = Vector256.Min(Vector256.Min(red, green), blue);
            var range = max - min;
            var order = ((red - green) >>> 31 << 2) | ((green - blue) >>> 31 << 1) | ((red - blue) >>> 31);
            var start = Vector256.ShuffleNative(Vector256.Create(1f, -1, -1, 5, 1, 3, -1, 3), order);
            var wraps = Vector256.ShuffleNative(Vector256.Create(0f, 1, 1, 0, 0, 0, 1, 0), order);
            var direction = Vector256.ShuffleNative(Vector256.Create(-1, -1, 1, -1, 1, -1, -1, 1), order);
            var middle = red + green + blue - max - min;
            var sixths = start + (Vector256.ConvertToSingle(direction * (max - middle)) / Vector256.ConvertToSingle(range));
            var hue = Vector256.ConvertToInt32Native(((sixths / 6f) + wraps) * 255f) & Vector256.Create(255);
            var isGrey = Vector256.Equals(range, Vector256<int>.Zero);
            return (Vector256.AndNot(hue, isGrey), Vector256.AndNot(Quotient(range * 255, max), isGrey), max);
        }

        // As Hsv.ToRgb, numerators and denominators halved; a shift to one of three places is a product, and so is a division of 16 bits by 255.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<int> ToColours(Vector256<int> hue, Vector256<int> saturation, Vector256<int> value)
        {
            const int red = 1, green = 1 << 8, blue = 1 << 16, by255 = 0x8081, places = 23;
            var full = Vector256.Create(255);
            var sixth = (hue * (6 * by255)) >>> places;
            var fraction = (hue * 6) - (sixth * 255);
            var fall = fraction ^ ((~sixth & Vector256<int>.One) * 255);
            var low = (((value * (full - saturation)) + Vector256.Create(255 / 2)) * by255) >>> places;
            var middle = Quotient((value * (Vector256.Create(255 * 255) - (saturation * fall))) + Vector256.Create(255 * 255 / 2), Vector256.Create(255 * 255));
            return (value * Vector256.ShuffleNative(Vector256.Create(red, green, green, blue, blue, red, red, 0), sixth))
                + (low * Vector256.ShuffleNative(Vector256.Create(blue, blue, red, red, green, green, blue, 0), sixth))
                + (middle * Vector256.ShuffleNative(Vector256.Create(green, red, blue, green, red, blue, green, 0), sixth));
        }
    }
}
