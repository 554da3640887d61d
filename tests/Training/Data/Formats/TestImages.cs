using SkiaSharp;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>Encoded pictures for tests.</summary>
internal static class TestImages
{
    /// <summary>A PNG of the given (height, width, 3) bytes.</summary>
    public static byte[] Png(int width, int height, byte[] colours, byte alpha = 255)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        for (var i = 0; i < width * height; i++)
        {
            bitmap.SetPixel(i % width, i / width, new SKColor(colours[3 * i], colours[(3 * i) + 1], colours[(3 * i) + 2], alpha));
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    /// <summary>A PNG of one colour.</summary>
    public static byte[] Plain(int width, int height, byte red, byte green = 0, byte blue = 0) =>
        Png(width, height, [.. Enumerable.Range(0, width * height).SelectMany<int, byte>(_ => [red, green, blue])]);
}
