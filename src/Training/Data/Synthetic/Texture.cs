namespace Pascl.Training.Data.Synthetic;

/// <summary>The pattern on a synthetic object.</summary>
internal enum Texture
{
    Plain,
    HorizontalStripes,
    VerticalStripes,
    Checkerboard,
    Dots,

    // Textures from here on occur in outliers only.
    DiagonalStripes,
    Circles,
    Gradient,
    Ripples,
}
