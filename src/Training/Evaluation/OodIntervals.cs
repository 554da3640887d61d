using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>Where the headline numbers of a set lie with 95 % certainty, if other images of the same kinds had been drawn.</summary>
/// <param name="Auroc">Of the area under the ROC curve.</param>
/// <param name="Fpr95">Of the false-positive rate at the recall nearest to 95 %.</param>
public sealed record OodIntervals(ShareInterval Auroc, ShareInterval Fpr95)
{
    /// <summary>Replicates of every bootstrap.</summary>
    internal const int Replicates = 400;

    private const double Tail = 0.025;

    // Poisson(1) by 8 bits of probability 2^-32 each: the largest weight that is drawn.
    private const int MostWeight = 12;
    private static readonly uint[] thresholds = PoissonThresholds();

    /// <summary>
    /// The bootstrap interval of percentiles (B. Efron, Annals of Statistics 7, 1979): 2.5 and 97.5 % of 400 replicates, in each of which every image counts as often as a
    /// number drawn from the Poisson distribution of mean 1, for which the scores need to be sorted only once. The same images give the same interval.
    /// </summary>
    /// <param name="outOfDistribution">Scores of the out-of-distribution images, the positives.</param>
    /// <param name="inDistribution">Scores of the in-distribution images.</param>
    /// <returns>Null where there is nothing to draw from.</returns>
    public static OodIntervals? Of(IReadOnlyList<double> outOfDistribution, IReadOnlyList<double> inDistribution)
    {
        if (outOfDistribution.Count == 0 || inDistribution.Count == 0)
        {
            return null;
        }

        var detection = new WeightedDetection(outOfDistribution, inDistribution);
        var (areas, rates) = (new double[Replicates], new double[Replicates]);
        Parallel.For(0, Replicates, replicate => (areas[replicate], rates[replicate]) = Replicate(detection, replicate));
        return new OodIntervals(Between(areas), Between(rates));
    }

    private static (double Area, double Rate) Replicate(WeightedDetection detection, int replicate)
    {
        var weights = new byte[detection.Order.Length];
        Draw(new RandomSequence(seed: 0, replicate, 0, RandomStream.Bootstrap), weights);
        var metrics = detection.Of(weights);
        return (metrics.Auroc, metrics.Fpr95);
    }

    /// <summary>Draws how often each image counts in a replicate, from the Poisson distribution of mean 1.</summary>
    internal static void Draw(RandomSequence random, Span<byte> weights)
    {
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = Poisson(random.Bits());
        }
    }

    private static byte Poisson(uint bits)
    {
        byte weight = 0;
        while (weight < MostWeight && bits >= thresholds[weight])
        {
            weight++;
        }

        return weight;
    }

    private static uint[] PoissonThresholds()
    {
        var (probability, sum) = (Math.Exp(-1), 0.0);
        var all = new uint[MostWeight];
        for (var weight = 0; weight < MostWeight; weight++)
        {
            sum += probability;
            all[weight] = (uint)Math.Min(uint.MaxValue, sum * (1L << 32));
            probability /= weight + 1;
        }

        return all;
    }

    /// <summary>2.5 and 97.5 % of the replicates. One without positives or negatives, possible where there are a handful of images, says nothing.</summary>
    internal static ShareInterval Between(double[] values)
    {
        double[] sorted = [.. values.Where(double.IsFinite).Order()];
        return sorted.Length == 0 ? new(0, 1) : new(sorted[(int)(Tail * (sorted.Length - 1))], sorted[(int)Math.Ceiling((1 - Tail) * (sorted.Length - 1))]);
    }
}
