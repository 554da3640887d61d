namespace Pascl.Training.Data.Synthetic;

/// <summary>
/// Shapes and textures as functions of the place; x points right, y down, and an object reaches to about 1 from its centre.
/// </summary>
internal static class Appearance
{
    /// <summary>How far a place is from the outline, roughly: negative inside, positive outside.</summary>
    public static float Distance(Shape shape, float x, float y)
    {
        var (across, down) = (MathF.Abs(x), MathF.Abs(y));
        var radius = MathF.Sqrt((x * x) + (y * y));
        return shape switch
        {
            Shape.Disc => radius - 0.9f,
            Shape.Square => MathF.Max(across, down) - 0.8f,
            Shape.Triangle => MathF.Max((0.866f * across) - (0.5f * (y - 0.2f)), y - 0.2f) - 0.6f,
            Shape.Ring => MathF.Abs(radius - 0.68f) - 0.3f,
            Shape.Cross => MathF.Max(MathF.Min(across, down) - 0.34f, MathF.Max(across, down) - 1f),
            Shape.Star => radius - 0.7f - (0.35f * MathF.Cos(5 * MathF.Atan2(x, y))),
            Shape.Crescent => MathF.Max(radius - 1f, 0.8f - MathF.Sqrt(((x - 0.5f) * (x - 0.5f)) + (y * y))),
            Shape.Diamond => (0.9f * across) + (0.6f * down) - 0.75f,
            Shape.Hourglass => MathF.Max(down - 0.9f, across - (0.9f * down) - 0.1f),
            _ => -1f,
        };
    }

    /// <summary>The texture's share of the second colour, in [0, 1], where x and y count periods.</summary>
    public static float Pattern(Texture texture, float x, float y) => texture switch
    {
        Texture.Plain => 0f,
        Texture.HorizontalStripes => Wave(y),
        Texture.VerticalStripes => Wave(x),
        Texture.Checkerboard => 0.5f - (2f * (Wave(x) - 0.5f) * (Wave(y) - 0.5f)),
        Texture.Dots => Math.Clamp(2f * (MathF.Cos(MathF.Tau * x) + MathF.Cos(MathF.Tau * y)), 0f, 1f),
        Texture.DiagonalStripes => Wave(0.7f * (x + y)),
        Texture.Circles => Wave(MathF.Sqrt((x * x) + (y * y))),
        Texture.Gradient => Math.Clamp(0.5f + (0.25f * (x + (0.5f * y))), 0f, 1f),
        _ => Wave(x + (0.4f * MathF.Sin(MathF.Tau * y))),
    };

    // A sine with steeper flanks, in [0, 1].
    private static float Wave(float turns) => Math.Clamp(0.5f + MathF.Sin(MathF.Tau * turns), 0f, 1f);
}
