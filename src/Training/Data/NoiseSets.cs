using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>
/// Built-in test sets of noise, which no training sees: 2,000 images each, the same every time, of the size of the in-distribution images. Defined as in
/// the evaluation of outlier exposure (Hendrycks, Mazeika and Dietterich, ICLR 2019; github.com/hendrycks/outlier-exposure, <c>CIFAR/test.py</c>), whose
/// range [-1, 1] is [0, 1] here.
/// </summary>
internal static class NoiseSets
{
    /// <summary>Images of a set: a fifth of CIFAR's 10,000 test images, as there.</summary>
    public const int Count = 2000;

    private const string Prefix = "noise:";
    private const ulong Seed = 0;
    private const int UsualSize = 32;
    private const double BlobShare = 0.7;
    private const double BlobBlur = 1.5;
    private const float BlobThreshold = 0.75f;

    private static readonly (string Name, PaintNoise Paint)[] sets = [("gaussian", Gaussian), ("rademacher", Rademacher), ("blobs", Blobs)];

    /// <summary>What names the sets.</summary>
    public static IReadOnlyList<string> Names => [.. sets.Select(set => Prefix + set.Name)];

    private delegate void PaintNoise(RandomSequence random, Span<byte> pixels, int size);

    /// <summary>Whether a text names a built-in set rather than a path; <c>./noise:x</c> is a path.</summary>
    public static bool IsName(string text) => text.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Draws a set.</summary>
    /// <param name="text"><c>noise:gaussian</c>, <c>noise:rademacher</c> or <c>noise:blobs</c>.</param>
    /// <param name="name">Name of the set, or null for the part after the colon.</param>
    /// <param name="imageSize">Rows and columns, or null for 32.</param>
    /// <exception cref="InputException">There is no such set.</exception>
    public static ImageSet Create(string text, string? name, int? imageSize)
    {
        var index = Array.FindIndex(sets, set => Prefix + set.Name == text);
        if (index < 0)
        {
            throw new InputException(
                $"There is no built-in set '{text}'; use {string.Join(", ", sets.Select(set => Prefix + set.Name))}, or a path such as ./{text}.");
        }

        var size = imageSize ?? UsualSize;
        var pixels = Allocation.Of(Count, size, text);
        Parallel.For(0, Count, image =>
            sets[index].Paint(new RandomSequence(Seed, 0, image, RandomStream.Noise + index), pixels.Writable(image), size));
        return new ImageSet(name ?? sets[index].Name, pixels, [.. Enumerable.Repeat(ImageSet.NoClass, Count)], []);
    }

    // Every value of its own, normal with mean 0 and deviation 0.5 in [-1, 1], clipped.
    private static void Gaussian(RandomSequence random, Span<byte> pixels, int size)
    {
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = ToByte(0.5 + (0.25 * random.ExactNormal()));
        }
    }

    // Every value of its own, -1 or 1 with equal probability.
    private static void Rademacher(RandomSequence random, Span<byte> pixels, int size)
    {
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = random.Below(2) == 0 ? byte.MinValue : byte.MaxValue;
        }
    }

    // Values that are 1 with probability 0.7 and else 0, blurred along rows, columns and colours; what is below 0.75 then becomes 0.
    private static void Blobs(RandomSequence random, Span<byte> pixels, int size)
    {
        var values = new float[pixels.Length];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = random.Between(0, 1) < BlobShare ? 1 : 0;
        }

        var blurred = GaussianBlur.Apply(values, [size, size, PixelBlock.Channels], BlobBlur);
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = blurred[i] < BlobThreshold ? byte.MinValue : ToByte(blurred[i]);
        }
    }

    private static byte ToByte(double unit) => (byte)Math.Round(255 * Math.Clamp(unit, 0, 1));
}
