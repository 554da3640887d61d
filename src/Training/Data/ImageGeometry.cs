using System.Text.Json.Serialization;

namespace Pascl.Training.Data;

/// <summary>
/// How an image of any size becomes the square that a network takes where nothing is random: resized so that its shorter side has a given length, and cut to the square
/// in its centre.
/// </summary>
/// <param name="Interpolation">The filter.</param>
/// <param name="ResizeRatio">The shorter side after resizing, divided by the side of the square; at least 1.</param>
public sealed record ImageGeometry(Interpolation Interpolation, double ResizeRatio)
{
    /// <summary>The shorter side after resizing, divided by the side of the square.</summary>
    public double ResizeRatio { get; } = ResizeRatio == 1 || (ResizeRatio > 1 && Interpolation != Interpolation.Cubic) ? ResizeRatio
        : throw new ArgumentOutOfRangeException(nameof(ResizeRatio), ResizeRatio, $"Expected at least 1, and 1 with {Interpolation.Cubic}.");

    /// <summary>Small images: the shorter side becomes the side of the square, by the cubic filter.</summary>
    public static ImageGeometry SmallImages { get; } = new(Interpolation.Cubic, 1);

    /// <summary>Photographs as torchvision's ImageNet models are evaluated on them: Resize(256), CenterCrop(224), bilinear.</summary>
    public static ImageGeometry Photographs { get; } = new(Interpolation.PillowBilinear, 256.0 / 224);

    /// <summary>The shorter side after resizing for squares of <paramref name="size"/> pixels: round(size * ratio), halves rounded to even.</summary>
    public int ResizeSide(int size) => (int)Math.Round(size * ResizeRatio);
}

/// <summary>How pixels between those of an image are computed. Every filter is widened by the reduction, so that fine detail does not alias.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Interpolation>))]
public enum Interpolation
{
    /// <summary>The cubic of R. Keys (1981) with a = -1/2, in single precision.</summary>
    Cubic,

    /// <summary>Pillow's BILINEAR in its fixed-point arithmetic, byte for byte.</summary>
    PillowBilinear,

    /// <summary>Pillow's BICUBIC in its fixed-point arithmetic, byte for byte.</summary>
    PillowBicubic,
}
