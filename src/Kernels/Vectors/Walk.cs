namespace Pascl.Kernels.Vectors;

/// <summary>
/// How a thread steps through the items of a column of an (images, columns, pixels) array: every <c>stride</c>-th, image after image. The divisions happen
/// once, at the start.
/// </summary>
internal readonly struct Walk
{
    private readonly int pixels;
    private readonly int pixel;
    private readonly int pixelStep;
    private readonly long step;
    private readonly long carry;

    /// <summary>Starts at an item.</summary>
    public Walk(int columns, int pixels, int item, int stride)
    {
        this.pixels = pixels;
        pixel = item % pixels;
        pixelStep = stride % pixels;
        var image = (long)columns * pixels;
        step = (stride / pixels * image) + pixelStep;
        carry = image - pixels;
        Offset = (item / pixels * image) + pixel;
    }

    private Walk(Walk from)
    {
        this = from;
        pixel = from.pixel + pixelStep;
        Offset = from.Offset + step;
        if (pixel >= pixels)
        {
            pixel -= pixels;
            Offset += carry;
        }
    }

    /// <summary>Where the item lies, from the column's first.</summary>
    public long Offset { get; }

    /// <summary>The thread's next item.</summary>
    public Walk Next() => new(this);
}
