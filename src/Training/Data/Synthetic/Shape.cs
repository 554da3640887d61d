namespace Pascl.Training.Data.Synthetic;

/// <summary>The outline of a synthetic object.</summary>
internal enum Shape
{
    Disc,
    Square,
    Triangle,
    Ring,
    Cross,

    // Shapes from here on occur in outliers only.
    Star,
    Crescent,
    Diamond,
    Hourglass,
    Everywhere,
}
