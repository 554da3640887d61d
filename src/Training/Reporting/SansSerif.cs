using SkiaSharp;

namespace Pascl.Training.Reporting;

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
