using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>Where the headline numbers of a set lie with 95 % certainty, if other images of the same kinds had been drawn.</summary>
/// <param name="Auroc">Of the area under the ROC curve.</param>
/// <param name="Fpr95">Of the false-positive rate at the recall nearest to 95 %.</param>
public sealed record OodIntervals(ShareInterval Auroc, ShareInterval Fpr95)
{
    private const int Replicates = 400;
    private const double Tail = 0.025;
    private const double Recall = 0.95;

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

        var isPositive = new bool[outOfDistribution.Count + inDistribution.Count];
        Array.Fill(isPositive, true, 0, outOfDistribution.Count);
        double[] scores = [.. outOfDistribution, .. inDistribution];
        Array.Sort(scores, isPositive);
        Array.Reverse(scores);
        Array.Reverse(isPositive);
        var (areas, rates) = (new double[Replicates], new double[Replicates]);
        Parallel.For(0, Replicates, replicate => (areas[replicate], rates[replicate]) = Replicate(scores, isPositive, replicate));
        return new OodIntervals(Between(areas), Between(rates));
    }

    // One pass over the thresholds, falling; images of one score pass together.
    private static (double Area, double Rate) Replicate(double[] scores, bool[] isPositive, int replicate)
    {
        var weights = new byte[scores.Length];
        var random = new RandomSequence(seed: 0, replicate, 0, RandomStream.Bootstrap);
        var (positives, negatives) = (0L, 0L);
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = Poisson(random.Bits());
            positives += isPositive[i] ? weights[i] : 0;
            negatives += isPositive[i] ? 0 : weights[i];
        }

        var (area, rate, distance) = (0.0, 0.0, double.PositiveInfinity);
        var (found, wrong) = (0L, 0L);
        for (var i = 0; i < scores.Length;)
        {
            var (foundHere, wrongHere) = (0L, 0L);
            for (var score = scores[i]; i < scores.Length && scores[i] == score; i++)
            {
                foundHere += isPositive[i] ? weights[i] : 0;
                wrongHere += isPositive[i] ? 0 : weights[i];
            }

            area += wrongHere * (found + (foundHere / 2.0));
            (found, wrong) = (found + foundHere, wrong + wrongHere);
            var away = Math.Abs((found / (double)positives) - Recall);
            if (foundHere > 0 && away <= distance)
            {
                (rate, distance) = (wrong / (double)negatives, away);
            }
        }

        return (area / ((double)positives * negatives), rate);
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

    // A replicate without positives or negatives, possible where there are a handful of images, says nothing.
    private static ShareInterval Between(double[] values)
    {
        double[] sorted = [.. values.Where(double.IsFinite).Order()];
        return sorted.Length == 0 ? new(0, 1) : new(sorted[(int)(Tail * (sorted.Length - 1))], sorted[(int)Math.Ceiling((1 - Tail) * (sorted.Length - 1))]);
    }
}
