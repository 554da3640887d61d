namespace Pascl.Kernels;

/// <summary>
/// What one view of one image undergoes: the random choices of <see cref="AugmentationSettings"/>, made. Fields only, so that kernels can
/// take it.
/// </summary>
public readonly record struct AugmentationParameters
{
    private const int BitsPerOperation = 4;

    /// <summary>No change at all.</summary>
    public static AugmentationParameters None => default;

    /// <summary>Row of the image at which the crop begins; negative in the padding.</summary>
    public int Top { get; init; }

    /// <summary>Column of the image at which the crop begins; negative in the padding.</summary>
    public int Left { get; init; }

    /// <summary>1 to mirror left and right after cropping, else 0.</summary>
    public int Flip { get; init; }

    /// <summary>The colour operations to apply, four bits each, the first in the lowest bits; 0 when there are none.</summary>
    public int JitterOrder { get; init; }

    /// <summary>Brightness factor; 1 is no change.</summary>
    public float Brightness { get; init; }

    /// <summary>Contrast factor; 1 is no change.</summary>
    public float Contrast { get; init; }

    /// <summary>Saturation factor; 1 is no change.</summary>
    public float Saturation { get; init; }

    /// <summary>Shift of the hue byte (256 steps a turn).</summary>
    public int HueShift { get; init; }

    /// <summary>1 to replace the colours by their luminance at the end, else 0.</summary>
    public int Greyscale { get; init; }

    /// <summary>Makes the random choices for one view of an image.</summary>
    /// <param name="settings">Ranges and probabilities.</param>
    /// <param name="height">Rows of the image.</param>
    /// <param name="width">Columns of the image.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="image">Index of the image.</param>
    /// <param name="view">Which view, or another stream of <see cref="CounterRandom"/>.</param>
    public static AugmentationParameters Draw(
        AugmentationSettings settings, int height, int width, ulong seed, int epoch, int image, int view)
    {
        var place = CounterRandom.Draw(seed, epoch, image, view, 0);
        var colour = CounterRandom.Draw(seed, epoch, image, view, 1);
        var choice = CounterRandom.Draw(seed, epoch, image, view, 2);
        return new AugmentationParameters
        {
            Top = Offset(place.First, (int)((height * settings.Padding) + 0.5f)),
            Left = Offset(place.Second, (int)((width * settings.Padding) + 0.5f)),
            Flip = CounterRandom.Uniform(place.Third) < settings.FlipProbability ? 1 : 0,
            JitterOrder = CounterRandom.Uniform(place.Fourth) < settings.JitterProbability ? RandomOrder(settings, choice.First) : 0,
            Brightness = Factor(colour.First, settings.Brightness),
            Contrast = Factor(colour.Second, settings.Contrast),
            Saturation = Factor(colour.Third, settings.Saturation),
            HueShift = (int)(255f * settings.Hue * ((2f * CounterRandom.Uniform(colour.Fourth)) - 1f)),
            Greyscale = CounterRandom.Uniform(choice.Second) < settings.GreyscaleProbability ? 1 : 0,
        };
    }

    /// <summary>The order that applies these operations, first to last.</summary>
    public static int OrderOf(ColourOperation first, ColourOperation second, ColourOperation third, ColourOperation fourth) =>
        Before(first, Before(second, Before(third, Before(fourth, 0))));

    /// <summary>The first operation of a non-empty order.</summary>
    public static ColourOperation First(int order) => (ColourOperation)(order & ((1 << BitsPerOperation) - 1));

    /// <summary>The order without its first operation.</summary>
    public static int Rest(int order) => order >> BitsPerOperation;

    private static int Before(ColourOperation first, int order) =>
        first == ColourOperation.None ? order : (order << BitsPerOperation) | (int)first;

    private static int Offset(uint bits, int padding) => CounterRandom.Below(bits, (2 * padding) + 1) - padding;

    private static float Factor(uint bits, float strength)
    {
        var low = strength < 1f ? 1f - strength : 0f;

        // A fused multiply-add would draw another factor here and there than the CPU does.
        return low + Rounded.Multiply(1f + strength - low, CounterRandom.Uniform(bits));
    }

    // One of the n! orders of the n operations in use, all equally likely: each is inserted at a random place among those before it.
    private static int RandomOrder(AugmentationSettings settings, uint bits)
    {
        var number = CounterRandom.Below(bits, 24);
        var (order, length) = (0, 0);
        for (var operation = ColourOperation.Brightness; operation <= ColourOperation.Hue; operation++)
        {
            if (Strength(settings, operation) > 0f)
            {
                length++;
                var shift = BitsPerOperation * (number % length);
                number /= length;
                var later = order >> shift;
                order = (((later << BitsPerOperation) | (int)operation) << shift) | (order - (later << shift));
            }
        }

        return order;
    }

    private static float Strength(AugmentationSettings settings, ColourOperation operation) => operation switch
    {
        ColourOperation.Brightness => settings.Brightness,
        ColourOperation.Contrast => settings.Contrast,
        ColourOperation.Saturation => settings.Saturation,
        _ => settings.Hue,
    };
}

/// <summary>Which random numbers of <see cref="CounterRandom"/> an augmentation uses; the image's number is the rest of the counter.</summary>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Epoch">Epoch, from 0.</param>
/// <param name="Stream">Which view, or another stream.</param>
public readonly record struct AugmentationDraw(ulong Seed, int Epoch, int Stream);

/// <summary>The operations of colour jitter, in the numbering of <see cref="AugmentationParameters.JitterOrder"/>.</summary>
public enum ColourOperation
{
    /// <summary>No operation; ends the order.</summary>
    None = 0,

    /// <summary>Blend with black.</summary>
    Brightness = 1,

    /// <summary>Blend with the mean luminance of the image.</summary>
    Contrast = 2,

    /// <summary>Blend with the luminance of the pixel.</summary>
    Saturation = 3,

    /// <summary>Rotate the hue.</summary>
    Hue = 4,
}

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

    /// <summary>The same flips and colours for images that are cropped before: nothing is added at the sides.</summary>
    public static AugmentationSettings Photographs => Cifar with { Padding = 0f };

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
