namespace Pascl.Kernels;

/// <summary>How strongly training images are changed at random. The order of the steps is crop, flip, colour jitter, greyscale.</summary>
public readonly record struct AugmentationSettings
{
    /// <summary>
    /// The augmentation of PASCL on CIFAR: random crop with padding 4 at 32 pixels, flip with probability 0.5, colour jitter (0.4, 0.4,
    /// 0.4, 0.1) with probability 0.8, greyscale with probability 0.2.
    /// </summary>
    public static AugmentationSettings Cifar => new()
    {
        Padding = 1f / 8,
        FlipProbability = 0.5f,
        JitterProbability = 0.8f,
        Brightness = 0.4f,
        Contrast = 0.4f,
        Saturation = 0.4f,
        Hue = 0.1f,
        GreyscaleProbability = 0.2f,
    };

    /// <summary>No change at all.</summary>
    public static AugmentationSettings None => default;

    /// <summary>
    /// Black border added to every side before the random crop back to the image's size, as a fraction of its height and width.
    /// </summary>
    public float Padding { get; init; }

    /// <summary>Probability of mirroring left and right.</summary>
    public float FlipProbability { get; init; }

    /// <summary>Probability of colour jitter: the four operations below in random order.</summary>
    public float JitterProbability { get; init; }

    /// <summary>Brightness factors are uniform in [max(0, 1 - b), 1 + b]; 0 leaves the operation out.</summary>
    public float Brightness { get; init; }

    /// <summary>Contrast factors are uniform in [max(0, 1 - c), 1 + c]; 0 leaves the operation out.</summary>
    public float Contrast { get; init; }

    /// <summary>Saturation factors are uniform in [max(0, 1 - s), 1 + s]; 0 leaves the operation out.</summary>
    public float Saturation { get; init; }

    /// <summary>Hue shifts are uniform in [-h, h] turns, h at most 0.5; 0 leaves the operation out.</summary>
    public float Hue { get; init; }

    /// <summary>Probability of replacing the colours by their luminance.</summary>
    public float GreyscaleProbability { get; init; }
}
