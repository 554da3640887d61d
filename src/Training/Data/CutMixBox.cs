namespace Pascl.Training.Data;

/// <summary>The part of an image that CutMix replaces, from <c>Left</c> and <c>Top</c> to before <c>Right</c> and <c>Bottom</c>.</summary>
internal readonly record struct CutMixBox(int Left, int Top, int Right, int Bottom)
{
    // Parameter of the Beta distribution in EAT's release.
    private const double Alpha = 0.9999;

    /// <summary>Pixels in the box; 0 where it is empty.</summary>
    public int Pixels => (Right - Left) * (Bottom - Top);

    /// <summary>A box whose sides are sqrt(1 - share) of the image's, with lambda as the share that stays, about a centre; clipped to the image.</summary>
    public static CutMixBox Around(int centreX, int centreY, int height, int width, double staying)
    {
        var side = Math.Sqrt(1 - staying);
        var (halfWidth, halfHeight) = ((int)(width * side) / 2, (int)(height * side) / 2);
        return new CutMixBox(
            Math.Clamp(centreX - halfWidth, 0, width), Math.Clamp(centreY - halfHeight, 0, height),
            Math.Clamp(centreX + halfWidth, 0, width), Math.Clamp(centreY + halfHeight, 0, height));
    }

    /// <summary>A random box: the share that stays is from Beta(0.9999, 0.9999), the centre is uniform over the pixels.</summary>
    public static CutMixBox Draw(int height, int width, RandomSequence random)
    {
        var staying = StayingShare(ref random);
        return Around(random.Below(width), random.Below(height), height, width, staying);
    }

    /// <summary>
    /// A number from Beta(0.9999, 0.9999), by M. D. Jöhnk 1964: x / (x + y) of two powers of uniform numbers, given that x + y is at most 1; every second pair is.
    /// </summary>
    public static double StayingShare(ref RandomSequence random)
    {
        while (true)
        {
            var x = Math.Pow(random.Between(0, 1), 1 / Alpha);
            var y = Math.Pow(random.Between(0, 1), 1 / Alpha);
            if (x + y is > 0 and <= 1)
            {
                return x / (x + y);
            }
        }
    }
}
