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

/// <summary>Convolution of an array with a normal density along each of its axes.</summary>
internal static class GaussianBlur
{
    private const double Truncation = 4;

    /// <summary>
    /// The weights are exp(-x^2 / (2 deviation^2)) at whole distances x up to 4 deviations, with sum 1; beyond an edge the values are those at the edge
    /// (SciPy's <c>gaussian_filter</c> with <c>mode="nearest"</c>).
    /// </summary>
    /// <param name="values">Row-major values.</param>
    /// <param name="shape">Lengths of the axes.</param>
    /// <param name="deviation">Standard deviation, the same along every axis.</param>
    public static float[] Apply(float[] values, ReadOnlySpan<int> shape, double deviation)
    {
        var radius = (int)((Truncation * deviation) + 0.5);
        var weights = Enumerable.Range(-radius, (2 * radius) + 1).Select(x => Math.Exp(-x * x / (2 * deviation * deviation))).ToArray();
        var sum = weights.Sum();
        weights = [.. weights.Select(weight => weight / sum)];
        var stride = values.Length;
        foreach (var length in shape)
        {
            stride /= length;
            values = AlongAxis(values, length, stride, weights, radius);
        }

        return values;
    }

    private static float[] AlongAxis(float[] values, int length, int stride, double[] weights, int radius)
    {
        var blurred = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var place = i / stride % length;
            var start = i - (place * stride);
            var sum = 0.0;
            for (var k = 0; k < weights.Length; k++)
            {
                sum += weights[k] * values[start + (Math.Clamp(place + k - radius, 0, length - 1) * stride)];
            }

            blurred[i] = (float)sum;
        }

        return blurred;
    }
}
