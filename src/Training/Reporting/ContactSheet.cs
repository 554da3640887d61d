using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using SkiaSharp;

namespace Pascl.Training.Reporting;

/// <summary>
/// The images that the score gets most wrong as one picture: test images first, out-of-distribution images below, each with what it shows,
/// what it is taken for, and its score. On a machine without fonts there are no captions; the report lists the same in words.
/// </summary>
public static class ContactSheet
{
    /// <summary>Rows and columns of an image on the sheet.</summary>
    internal const int Side = 128;

    private const int Columns = 5;
    private const int Gap = 8;
    private const int LineHeight = 15;
    private const int TileHeight = Side + (3 * LineHeight) + Gap;
    private const int TitleHeight = 28;

    private static readonly SKColor Ink = new(0x20, 0x20, 0x20);

    /// <summary>Writes the sheet as PNG, whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="worst">Which images.</param>
    /// <param name="test">The test set that they were chosen from.</param>
    /// <param name="outOfDistribution">The out-of-distribution sets that they were chosen from.</param>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write(string path, WorstImages worst, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution)
    {
        var height = HeightOf(worst.InDistribution.Count) + HeightOf(worst.OutOfDistribution.Count) + Gap;
        using var bitmap = new SKBitmap((Columns * (Side + Gap)) + Gap, height);
        using var canvas = new SKCanvas(bitmap);
        using var typeface = SansSerif.Typeface();
        canvas.Clear(SKColors.White);
        var sets = outOfDistribution.ToDictionary(set => set.Name);
        Draw(canvas, typeface, "Test images of the highest score", worst.InDistribution, _ => test, test.ClassNames);
        canvas.Translate(0, HeightOf(worst.InDistribution.Count));
        Draw(canvas, typeface, "Out-of-distribution images of the lowest score", worst.OutOfDistribution, image => sets[image.Set], test.ClassNames);
        canvas.Flush();
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        DurableFile.Replace(path, png.SaveTo);
    }

    /// <summary>The left upper corner of an image on the sheet.</summary>
    /// <param name="place">Its place among those of its kind.</param>
    /// <param name="above">How many of the other kind are above it: the test images above out-of-distribution images, none above test images.</param>
    internal static (int Left, int Top) CornerOf(int place, int above = 0) =>
        (Gap + (place % Columns * (Side + Gap)), HeightOf(above) + TitleHeight + (place / Columns * TileHeight));

    private static int HeightOf(int images) => images == 0 ? 0 : TitleHeight + ((images + Columns - 1) / Columns * TileHeight);

    private static void Draw(
        SKCanvas canvas,
        SKTypeface typeface,
        string title,
        IReadOnlyList<WorstImage> images,
        Func<WorstImage, ImageSet> setOf,
        IReadOnlyList<string> classNames)
    {
        if (images.Count > 0)
        {
            DrawLine(canvas, typeface, 15, title, Gap, 20, Columns * (Side + Gap));
        }

        foreach (var (i, image) in images.Index())
        {
            var (left, top) = CornerOf(i);
            DrawImage(canvas, setOf(image), image.Index, SKRect.Create(left, top, Side, Side));
            string[] caption =
            [
                image.Label is { } label ? classNames[label] : image.Set,
                $"as {classNames[image.Prediction]}",
                image.Score.ToString("0.0000", CultureInfo.InvariantCulture),
            ];
            foreach (var (line, text) in caption.Index())
            {
                DrawLine(canvas, typeface, 11, text, left, top + Side + ((line + 1) * LineHeight) - 3, Side);
            }
        }
    }

    private static void DrawImage(SKCanvas canvas, ImageSet images, int index, SKRect frame)
    {
        using var bitmap = new SKBitmap(images.Width, images.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        var source = images.Pixels(index);
        var destination = bitmap.GetPixelSpan();
        for (var pixel = 0; pixel < images.Width * images.Height; pixel++)
        {
            source.Slice(pixel * PixelBlock.Channels, PixelBlock.Channels).CopyTo(destination[(pixel * 4)..]);
            destination[(pixel * 4) + PixelBlock.Channels] = byte.MaxValue;
        }

        // A few large pixels show what the network saw better than a blur does.
        var sampling = images.Width < Side ? new SKSamplingOptions(SKFilterMode.Nearest) : new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear);
        using var image = SKImage.FromBitmap(bitmap);
        canvas.DrawImage(image, frame, sampling);
    }

    private static void DrawLine(SKCanvas canvas, SKTypeface typeface, float size, string text, float left, float baseline, float width)
    {
        using var font = new SKFont(typeface, size);
        using var paint = new SKPaint { Color = Ink, IsAntialias = true };
        var fits = font.BreakText(text, width) is var count && count < text.Length ? $"{text[..Math.Max(0, count - 2)]}…" : text;
        canvas.DrawText(fits, left, baseline, font, paint);
    }
}

/// <summary>
/// The font of pictures. Skia knows only the font files that it finds here, without the system's rules for a family named sans-serif.
/// </summary>
internal static class SansSerif
{
    private static readonly string[] Families = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial"];

    /// <summary>The first usual family that this machine has, or its default one; without any font it has no glyphs.</summary>
    public static SKTypeface Typeface() =>
        Families.Select(SKFontManager.Default.MatchFamily).FirstOrDefault(found => found is not null) ?? SKTypeface.CreateDefault();
}
