namespace Pascl.Kernels;

/// <summary>
/// A colour as hue, saturation and value bytes, converted exactly as Pillow does (modes RGB and HSV): floats truncated or rounded to bytes.
/// </summary>
/// <param name="H">Hue; 255 steps a turn, from red through green and blue.</param>
/// <param name="S">Saturation.</param>
/// <param name="V">Value, the largest of the three colours.</param>
public readonly record struct Hsv(byte H, byte S, byte V)
{
    /// <summary>
    /// Converts from red, green and blue. With range = max - min and x' = (max - x) / range, the hue in turns is 1/6 of b' - g', 2 + r' -
    /// b' or 4 + g' - r' where red, green or blue is largest; saturation is range / max. Both are multiplied by 255 and truncated.
    /// </summary>
    public static Hsv From(Rgb colour)
    {
        int r = colour.R, g = colour.G, b = colour.B;
        var max = Math.Max(r, Math.Max(g, b));
        var min = Math.Min(r, Math.Min(g, b));
        if (max == min)
        {
            return new Hsv(0, 0, (byte)max);
        }

        float range = max - min;
        float sixths;
        if (r == max)
        {
            sixths = ((max - b) / range) - ((max - g) / range);
        }
        else if (g == max)
        {
            sixths = (float)(2.0 + ((max - r) / range) - ((max - b) / range));
        }
        else
        {
            sixths = (float)(4.0 + ((max - g) / range) - ((max - r) / range));
        }

        var turns = sixths < 0f ? (float)((sixths / 6.0) + 1.0) : (float)((sixths / 6.0) + 1.0 - 1.0);
        return new Hsv((byte)(turns * 255.0), (byte)(range / max * 255.0), (byte)max);
    }

    /// <summary>
    /// Converts to red, green and blue. With i and f the whole and the fractional part of 6 H / 255 and s = S / 255, the colours are V and,
    /// rounded, p = V (1 - s), q = V (1 - s f), t = V (1 - s (1 - f)), placed by the sixth i of the turn.
    /// </summary>
    public Rgb ToRgb()
    {
        var sixth = H * 6 / 255;
        var fraction = (float)((H * 6.0 / 255.0) - sixth);
        var saturation = (float)(S / 255.0);
        var p = Round(V * (1.0 - saturation));
        var q = Round(V * (1.0 - (saturation * fraction)));
        var t = Round(V * (1.0 - (saturation * (1.0 - fraction))));
        return sixth switch
        {
            1 => new Rgb(q, V, p),
            2 => new Rgb(p, V, t),
            3 => new Rgb(p, q, V),
            4 => new Rgb(t, p, V),
            5 => new Rgb(V, p, q),
            _ => new Rgb(V, t, p),
        };
    }

    private static byte Round(double value) => (byte)(value + 0.5);
}
