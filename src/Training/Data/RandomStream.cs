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

    /// <summary>The classes of an epoch's images, where they are not sampled uniformly.</summary>
    public const int SampledClasses = 10;

    /// <summary>Which images are mixed to outliers, and how much of each.</summary>
    public const int MixedImages = 11;

    /// <summary>Virtual outliers around the classes' projections.</summary>
    public const int Annulus = 12;

    /// <summary>Augmentation of the third view.</summary>
    public const int ThirdView = 13;

    /// <summary>Which of the views whose features are at hand a training image has.</summary>
    public const int Features = 14;

    /// <summary>Which one an outlier has.</summary>
    public const int OutlierFeatures = 15;

    /// <summary>First of the streams of synthetic images.</summary>
    public const int Synthetic = 16;

    /// <summary>First of the streams of the built-in sets of noise.</summary>
    public const int Noise = 24;

    /// <summary>The directions of the classes' features before any was seen.</summary>
    public const int ClassDirections = 32;
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

    /// <summary>A number in [0, 1).</summary>
    public double Unit() => Bits() * (1.0 / (1L << 32));

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

/// <summary>How often an epoch shows the images of each class (Kang et al., Decoupling representation and classifier, ICLR 2020).</summary>
public enum ClassSampling
{
    /// <summary>Every image once.</summary>
    Uniform,

    /// <summary>Every class as often as the others: images are drawn with replacement, of class c with the probability 1 / C.</summary>
    ClassBalanced,

    /// <summary>Between the two: images are drawn with replacement, of class c of n_c images with a probability in proportion to sqrt(n_c).</summary>
    SquareRoot,

    /// <summary>In epoch t of T, counted from 0, of class c with the probability (1 - t / (T - 1)) n_c / n + t / (T - 1) / C: from the first to the second.</summary>
    ProgressivelyBalanced,
}

/// <summary>The order in which an epoch visits the images; it depends on nothing but its arguments.</summary>
public static class EpochOrder
{
    /// <summary>The images of an epoch as a plan samples them: as many as there are, and with <see cref="ClassSampling.Uniform"/> each once.</summary>
    /// <param name="training">The images; every label must be a class.</param>
    /// <param name="plan">Sampling, seed, and epochs of the phase.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    public static int[] Of(ImageSet training, BatchPlan plan, int epoch)
    {
        if (plan.Sampling == ClassSampling.Uniform)
        {
            return Permutation(training.Count, plan.Seed, epoch, RandomStream.TrainingOrder);
        }

        // By class, each in the order of a permutation that goes on from its start when it is used up: as even within a class as can be.
        var shuffled = Permutation(training.Count, plan.Seed, epoch, RandomStream.TrainingOrder);
        var members = shuffled.ToLookup(image => training.Labels[image]);
        int[][] images = [.. Enumerable.Range(0, training.ClassCount).Select(label => members[label].ToArray())];
        var limits = Cumulated([.. images.Select(image => image.Length)], plan.Sampling, plan.Epochs > 1 ? (double)epoch / (plan.Epochs - 1) : 1);
        var random = new RandomSequence(plan.Seed, epoch, 0, RandomStream.SampledClasses);
        var (order, taken) = (new int[training.Count], new int[images.Length]);
        for (var i = 0; i < order.Length; i++)
        {
            var drawn = random.Unit();
            var label = Array.FindIndex(limits, limit => limit > drawn);
            order[i] = images[label][taken[label]++ % images[label].Length];
        }

        return order;
    }

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

    // For every class the probability of it or one before it; the last is above every number that is drawn.
    private static double[] Cumulated(int[] counts, ClassSampling sampling, double progress)
    {
        var (all, classes, roots) = (counts.Sum(), counts.Count(count => count > 0), counts.Sum(count => Math.Sqrt(count)));
        var limits = new double[counts.Length];
        for (var (label, sum) = (0, 0.0); label < counts.Length; label++)
        {
            var count = counts[label];
            sum += count == 0 ? 0 : sampling switch
            {
                ClassSampling.ClassBalanced => 1.0 / classes,
                ClassSampling.SquareRoot => Math.Sqrt(count) / roots,
                _ => ((1 - progress) * count / all) + (progress / classes),
            };
            limits[label] = sum;
        }

        // Rounding may leave the sum below 1; the numbers above it are the last class's that has images.
        var last = Array.FindLastIndex(counts, count => count > 0);
        Array.Fill(limits, 1, last, counts.Length - last);
        return limits;
    }
}
