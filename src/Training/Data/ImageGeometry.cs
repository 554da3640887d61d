using System.Text.Json.Serialization;
using Pascl.Kernels;

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

/// <summary>
/// A random part of an image, resized to the square that a network takes: torchvision's RandomResizedCrop. Area and aspect ratio are drawn up to ten times until the box
/// fits into the image; where none does, the largest box in the centre whose aspect ratio is allowed is taken.
/// </summary>
/// <param name="MinimumArea">Smallest area of the box, as a share of the image's.</param>
/// <param name="MaximumArea">Largest area, as a share of the image's.</param>
/// <param name="MinimumAspect">Smallest width divided by height; the logarithm is drawn uniformly.</param>
/// <param name="MaximumAspect">Largest width divided by height.</param>
/// <remarks>Source: torchvision 0.14, <c>transforms.RandomResizedCrop.get_params</c>. The random numbers are ours.</remarks>
public sealed record RandomResizedCrop(double MinimumArea, double MaximumArea, double MinimumAspect, double MaximumAspect)
{
    private const int Attempts = 10;

    // Augmentation draws its other choices from the blocks before.
    private const int FirstBlock = 8;

    /// <summary>The crop of contrastive training on ImageNet: a fifth of the area to all of it, aspect ratio 3/4 to 4/3 (MoCo, He et al., CVPR 2020).</summary>
    public static RandomResizedCrop Photographs { get; } = new(0.2, 1, 3.0 / 4, 4.0 / 3);

    /// <summary>The box of one view of an image; it depends on nothing but the arguments.</summary>
    /// <param name="width">Columns of the whole image.</param>
    /// <param name="height">Rows of the whole image.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="image">Index of the image.</param>
    /// <param name="stream">Which view, see <see cref="RandomStream"/>.</param>
    internal CropBox Draw(int width, int height, ulong seed, int epoch, int image, int stream)
    {
        var (logMinimum, logMaximum) = (Math.Log(MinimumAspect), Math.Log(MaximumAspect));
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var block = CounterRandom.Draw(seed, epoch, image, stream, FirstBlock + attempt);
            var area = (double)width * height * (MinimumArea + ((MaximumArea - MinimumArea) * CounterRandom.Uniform(block.First)));
            var aspect = Math.Exp(logMinimum + ((logMaximum - logMinimum) * CounterRandom.Uniform(block.Second)));
            var (columns, rows) = ((int)Math.Round(Math.Sqrt(area * aspect)), (int)Math.Round(Math.Sqrt(area / aspect)));
            if (columns > 0 && rows > 0 && columns <= width && rows <= height)
            {
                return new CropBox(CounterRandom.Below(block.Third, width - columns + 1), CounterRandom.Below(block.Fourth, height - rows + 1), columns, rows);
            }
        }

        return InCentre(width, height);
    }

    private CropBox InCentre(int width, int height)
    {
        var aspect = (double)width / height;
        var columns = aspect > MaximumAspect ? Math.Max(1, (int)Math.Round(height * MaximumAspect)) : width;
        var rows = aspect < MinimumAspect ? Math.Max(1, (int)Math.Round(width / MinimumAspect)) : height;
        return new CropBox((width - columns) / 2, (height - rows) / 2, columns, rows);
    }
}

/// <summary>A part of an image, in its pixels.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
internal readonly record struct CropBox(int Left, int Top, int Width, int Height);
