namespace Pascl.Kernels;

/// <summary>
/// The specification of <see cref="Augmentation"/>: torchvision's RandomCrop, RandomHorizontalFlip, ColorJitter, RandomGrayscale and
/// ToTensor on Pillow images, with the random choices given. Plain loops in double; a cast to float stands where Pillow stores a float32,
/// because the bytes depend on it.
/// </summary>
/// <remarks>Checked against Pillow 9.4.0: ImageEnhance (a blend that clips and truncates), convert("L"), convert("HSV") and back.</remarks>
public static class AugmentationReference
{
    /// <summary>One view of an image, (height, width, 3) in [0, 1].</summary>
    /// <param name="source">(height, width, 3) bytes.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="parameters">What to do.</param>
    public static float[] Apply(byte[] source, int height, int width, AugmentationParameters parameters)
    {
        var image = new byte[height, width, 3];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++)
            {
                var (y, x) = (row + parameters.Top, (parameters.Flip == 1 ? width - 1 - column : column) + parameters.Left);
                var inside = y >= 0 && y < height && x >= 0 && x < width;
                for (var channel = 0; channel < 3; channel++)
                {
                    image[row, column, channel] = inside ? source[(((y * width) + x) * 3) + channel] : (byte)0;
                }
            }
        }

        for (var order = parameters.JitterOrder; order != 0; order = AugmentationParameters.Rest(order))
        {
            image = AugmentationParameters.First(order) switch
            {
                ColourOperation.Brightness => AdjustBrightness(image, parameters.Brightness),
                ColourOperation.Contrast => AdjustContrast(image, parameters.Contrast),
                ColourOperation.Saturation => AdjustSaturation(image, parameters.Saturation),
                ColourOperation.Hue => AdjustHue(image, parameters.HueShift),
                _ => image,
            };
        }

        image = parameters.Greyscale == 1 ? Map(image, (r, g, b) => (Luminance(r, g, b), Luminance(r, g, b), Luminance(r, g, b))) : image;
        return [.. image.Cast<byte>().Select(value => (float)(value / 255.0))];
    }

    /// <summary>(19595 R + 38470 G + 7471 B) / 65536, rounded half up.</summary>
    public static byte Luminance(byte r, byte g, byte b) =>
        (byte)Math.Floor((((19595.0 * r) + (38470.0 * g) + (7471.0 * b)) / 65536.0) + 0.5);

    /// <summary>Blend with black.</summary>
    public static byte[,,] AdjustBrightness(byte[,,] image, float factor) =>
        Map(image, (r, g, b) => (Blend(0, r, factor), Blend(0, g, factor), Blend(0, b, factor)));

    /// <summary>Blend with the rounded mean of the luminance.</summary>
    public static byte[,,] AdjustContrast(byte[,,] image, float factor)
    {
        var sum = 0.0;
        Map(image, (r, g, b) =>
        {
            sum += Luminance(r, g, b);
            return (r, g, b);
        });
        var mean = (byte)Math.Floor((sum / (image.Length / 3)) + 0.5);
        return Map(image, (r, g, b) => (Blend(mean, r, factor), Blend(mean, g, factor), Blend(mean, b, factor)));
    }

    /// <summary>Blend with the pixel's luminance.</summary>
    public static byte[,,] AdjustSaturation(byte[,,] image, float factor) => Map(image, (r, g, b) =>
    {
        var grey = Luminance(r, g, b);
        return (Blend(grey, r, factor), Blend(grey, g, factor), Blend(grey, b, factor));
    });

    /// <summary>Hue byte plus <paramref name="shift"/>, modulo 256.</summary>
    public static byte[,,] AdjustHue(byte[,,] image, int shift) => Map(image, (r, g, b) =>
    {
        var (hue, saturation, value) = ToHsv(r, g, b);
        return ToRgb((byte)(((hue + shift) % 256 + 256) % 256), saturation, value);
    });

    private static byte[,,] Map(byte[,,] image, Func<byte, byte, byte, (byte R, byte G, byte B)> pixel)
    {
        var result = new byte[image.GetLength(0), image.GetLength(1), 3];
        for (var row = 0; row < image.GetLength(0); row++)
        {
            for (var column = 0; column < image.GetLength(1); column++)
            {
                (result[row, column, 0], result[row, column, 1], result[row, column, 2]) =
                    pixel(image[row, column, 0], image[row, column, 1], image[row, column, 2]);
            }
        }

        return result;
    }

    private static byte Blend(byte degenerate, byte value, float factor)
    {
        var blended = (float)(degenerate + (double)(float)((double)factor * (value - degenerate)));
        return blended <= 0.0 ? (byte)0 : blended >= 255.0 ? (byte)255 : (byte)Math.Truncate((double)blended);
    }

    private static (byte Hue, byte Saturation, byte Value) ToHsv(byte r, byte g, byte b)
    {
        double max = Math.Max(Math.Max(r, g), b);
        double min = Math.Min(Math.Min(r, g), b);
        if (max == min)
        {
            return (0, 0, (byte)max);
        }

        double redDistance = (float)((max - r) / (max - min));
        double greenDistance = (float)((max - g) / (max - min));
        double blueDistance = (float)((max - b) / (max - min));
        double hue =
            r == max ? (float)(blueDistance - greenDistance)
            : g == max ? (float)(2.0 + redDistance - blueDistance)
            : (float)(4.0 + greenDistance - redDistance);
        hue = (float)(((hue / 6.0) + 1.0) % 1.0);
        double saturation = (float)((max - min) / max);
        return ((byte)Math.Truncate(hue * 255.0), (byte)Math.Truncate(saturation * 255.0), (byte)max);
    }

    private static (byte R, byte G, byte B) ToRgb(byte hue, byte saturation, byte value)
    {
        if (saturation == 0)
        {
            return (value, value, value);
        }

        var sector = (int)Math.Floor(hue * 6.0 / 255.0);
        double fraction = (float)((hue * 6.0 / 255.0) - sector);
        double amount = (float)(saturation / 255.0);
        var p = Round(value * (1.0 - amount));
        var q = Round(value * (1.0 - (float)(amount * fraction)));
        var t = Round(value * (1.0 - (amount * (1.0 - fraction))));
        return (sector % 6) switch
        {
            0 => (value, t, p),
            1 => (q, value, p),
            2 => (p, value, t),
            3 => (p, q, value),
            4 => (t, p, value),
            _ => (value, p, q),
        };
    }

    private static byte Round(double value) => (byte)Math.Round(value, MidpointRounding.AwayFromZero);
}
