using Pascl.Kernels;

namespace Pascl.Training.Data;

/// <summary>The independent streams of random numbers that one seed has, so that no two uses draw the same numbers.</summary>
internal static class RandomStream
{
    /// <summary>Augmentation of the first view; the second view has the next number.</summary>
    public const int FirstView = 0;

    /// <summary>Augmentation of the outliers.</summary>
    public const int Outlier = 2;

    /// <summary>Order of the in-distribution images.</summary>
    public const int TrainingOrder = 3;

    /// <summary>Order of the outliers.</summary>
    public const int OutlierOrder = 4;

    /// <summary>Which training images are held out.</summary>
    public const int HoldOut = 5;

    /// <summary>Which head images outliers are pushed away from.</summary>
    public const int HeadImages = 6;

    /// <summary>The box of tail images that are pasted onto head images.</summary>
    public const int BoxOnHead = 7;

    /// <summary>The box of tail images that are pasted onto outliers.</summary>
    public const int BoxOnOutliers = 8;

    /// <summary>How often an image counts in a replicate of the bootstrap, whose number stands for the epoch.</summary>
    public const int Bootstrap = 9;

    /// <summary>Which of the views whose features are at hand a training image has.</summary>
    public const int Features = 14;

    /// <summary>Which one an outlier has.</summary>
    public const int OutlierFeatures = 15;

    /// <summary>First of the streams of synthetic images.</summary>
    public const int Synthetic = 16;

    /// <summary>First of the streams of the built-in sets of noise.</summary>
    public const int Noise = 24;
}

/// <summary>Draws one random number after the other from an address of <see cref="CounterRandom"/>.</summary>
internal struct RandomSequence(ulong seed, int epoch, int image, int stream)
{
    private RandomBlock block;
    private int drawn;

    /// <summary>32 random bits.</summary>
    public uint Bits()
    {
        var place = drawn++ % 4;
        if (place == 0)
        {
            block = CounterRandom.Draw(seed, epoch, image, stream, drawn / 4);
        }

        return place switch { 0 => block.First, 1 => block.Second, 2 => block.Third, _ => block.Fourth };
    }

    /// <summary>An integer in [0, <paramref name="bound"/>).</summary>
    public int Below(int bound) => CounterRandom.Below(Bits(), bound);

    /// <summary>A number in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public float Between(float low, float high) => low + ((high - low) * CounterRandom.Uniform(Bits()));

    /// <summary>
    /// A number with mean 0 and standard deviation 1, nearly normal: the sum of four bytes (within 3.4 standard deviations).
    /// </summary>
    public float Normal()
    {
        var bits = Bits();
        var sum = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + (bits >> 24);
        return (sum - 510f) / 147.8f;
    }

    /// <summary>A number with mean 0 and standard deviation 1, normal (Box and Muller) and within 6.7 standard deviations.</summary>
    public double ExactNormal()
    {
        const double range = 1.0 / (1L << 32);
        var radius = Math.Sqrt(-2 * Math.Log((Bits() + 1.0) * range)); // the logarithm of (0, 1]
        return radius * Math.Cos(2 * Math.PI * range * Bits());
    }
}

/// <summary>
/// The order in which an epoch visits the images: a uniformly random permutation that depends on nothing but its arguments.
/// </summary>
public static class EpochOrder
{
    /// <summary>
    /// A permutation of 0 … <paramref name="count"/> - 1 (Fisher-Yates, forwards, with the numbers of <see cref="CounterRandom"/>).
    /// </summary>
    /// <param name="count">Number of images.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="stream">Stream of random numbers, so that two sets of one run are shuffled independently.</param>
    public static int[] Permutation(int count, ulong seed, int epoch, int stream)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        var random = new RandomSequence(seed, epoch, 0, stream);
        for (var i = 0; i < count - 1; i++)
        {
            var other = i + random.Below(count - i);
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }
}
