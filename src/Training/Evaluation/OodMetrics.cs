using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>
/// How well a score (higher = more out-of-distribution) separates out-of-distribution from in-distribution images. Everything is a
/// fraction, computed in double. A number that has no meaning because a set is empty is <see cref="double.NaN"/>; when all scores are
/// equal, AUROC is 0.5, the average precisions are the shares of their positive class, and every FPR95 but the strict one is 1.
/// </summary>
/// <param name="Auroc">Area under the ROC curve, ties counting one half.</param>
/// <param name="AuprOut">Average precision (step-wise) with out-of-distribution as the positive class.</param>
/// <param name="AuprIn">Average precision (step-wise) with in-distribution as the positive class.</param>
/// <param name="AuprOutTrapezoid">
/// Area under the precision-recall curve by the trapezoid rule, out-of-distribution positive: <see cref="RocCurve.PrecisionRecallArea"/>.
/// </param>
/// <param name="AuprInTrapezoid">As <paramref name="AuprOutTrapezoid"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95">
/// False-positive rate at the recall nearest to 0.95, out-of-distribution positive:
/// <see cref="RocCurve.FalsePositiveRateAtNearestRecall"/>.
/// </param>
/// <param name="Fpr95FirstReached">False-positive rate at the first recall of at least 0.95, out-of-distribution positive.</param>
/// <param name="Fpr95InPositive">As <paramref name="Fpr95"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95InPositiveFirstReached">As <paramref name="Fpr95FirstReached"/> with in-distribution as the positive class.</param>
/// <param name="Fpr95InPositiveStrict">
/// Share of out-of-distribution images surer than the floor(0.95 n)-th surest of n in-distribution images, ties not counted: the rule of
/// SC-OOD, <see cref="RocCurve.FalsePositiveRateAbove"/>.
/// </param>
public sealed record OodMetrics(
    double Auroc,
    double AuprOut,
    double AuprIn,
    double AuprOutTrapezoid,
    double AuprInTrapezoid,
    double Fpr95,
    double Fpr95FirstReached,
    double Fpr95InPositive,
    double Fpr95InPositiveFirstReached,
    double Fpr95InPositiveStrict)
{
    private const double Recall = 0.95;

    /// <summary>The metrics of two sets of scores.</summary>
    /// <exception cref="ArgumentException">A score is not a number.</exception>
    public static OodMetrics Compute(ReadOnlySpan<double> outOfDistribution, ReadOnlySpan<double> inDistribution) =>
        outOfDistribution.IsEmpty || inDistribution.IsEmpty
            ? Mean([])
            : Compute(RocCurve.From(outOfDistribution, inDistribution));

    /// <summary>The metrics of a curve whose positives are the out-of-distribution images.</summary>
    public static OodMetrics Compute(RocCurve curve)
    {
        var mirrored = curve.Mirrored();
        return new(
            curve.Area(),
            curve.AveragePrecision(),
            mirrored.AveragePrecision(),
            curve.PrecisionRecallArea(),
            mirrored.PrecisionRecallArea(),
            curve.FalsePositiveRateAtNearestRecall(Recall),
            curve.FalsePositiveRateAtFirstRecall(Recall),
            mirrored.FalsePositiveRateAtNearestRecall(Recall),
            mirrored.FalsePositiveRateAtFirstRecall(Recall),
            mirrored.FalsePositiveRateAbove(Recall));
    }

    /// <summary>Each number's mean; not a number where one of them is not, or where there are none.</summary>
    public static OodMetrics Mean(IReadOnlyList<OodMetrics> all) => new(
        Mean(all, m => m.Auroc),
        Mean(all, m => m.AuprOut),
        Mean(all, m => m.AuprIn),
        Mean(all, m => m.AuprOutTrapezoid),
        Mean(all, m => m.AuprInTrapezoid),
        Mean(all, m => m.Fpr95),
        Mean(all, m => m.Fpr95FirstReached),
        Mean(all, m => m.Fpr95InPositive),
        Mean(all, m => m.Fpr95InPositiveFirstReached),
        Mean(all, m => m.Fpr95InPositiveStrict));

    internal static double Mean<T>(IReadOnlyList<T> all, Func<T, double> number) => all.Count == 0 ? double.NaN : all.Average(number);
}

/// <summary>
/// Out-of-distribution images against the test images of some classes only: what happens to rare classes is lost in a number over all.
/// Every number of a group without test images is <see cref="double.NaN"/>.
/// </summary>
/// <param name="Tail">Against the test images of the tail classes of the loss.</param>
/// <param name="Head">Against the test images of all other classes.</param>
/// <param name="Many">Against the test images of the many-shot classes.</param>
/// <param name="Medium">Against the test images of the medium-shot classes.</param>
/// <param name="Few">Against the test images of the few-shot classes.</param>
public sealed record OodMetricsByGroup(OodMetrics Tail, OodMetrics Head, OodMetrics Many, OodMetrics Medium, OodMetrics Few)
{
    /// <summary>Each number's mean, group by group.</summary>
    public static OodMetricsByGroup Mean(IReadOnlyList<OodMetricsByGroup> all) => new(
        OodMetrics.Mean([.. all.Select(groups => groups.Tail)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Head)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Many)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Medium)]),
        OodMetrics.Mean([.. all.Select(groups => groups.Few)]));
}

/// <summary>How well one score detects each of several sets, on average over groups and over all.</summary>
/// <param name="Sets">Detection of each set.</param>
/// <param name="Groups">The mean over the sets of each group that has any.</param>
/// <param name="Average">The mean over all sets, every set counting alike; null where there are none.</param>
public sealed record DetectionBySet(IReadOnlyList<SetDetection> Sets, IReadOnlyList<GroupDetection> Groups, OodMetrics? Average)
{
    /// <summary>The scores of the images that show none of the classes, and those of the images that show one.</summary>
    internal static (double[] OutOfDistribution, double[] InDistribution) Part(LabelledSet images, double[] scores)
    {
        var labels = images.Labels.ToArray();
        return ([.. scores.Where((_, i) => labels[i] == LabelledSet.NoClass)], [.. scores.Where((_, i) => labels[i] != LabelledSet.NoClass)]);
    }

    /// <summary>Measures detection.</summary>
    /// <param name="inDistribution">Scores of the in-distribution images.</param>
    /// <param name="sets">The out-of-distribution sets and their scores; an image with a class counts as in-distribution in its set.</param>
    internal static DetectionBySet Of(double[] inDistribution, IReadOnlyList<(LabelledSet Images, double[] Scores)> sets)
    {
        SetDetection[] measured = [.. sets.Select(set => Detect(inDistribution, set.Images, set.Scores))];
        return new(
            measured,
            SetGroups.Means(measured, set => set.Group, (group, members) => new GroupDetection(
                group, [.. members.Select(set => set.Name)], OodMetrics.Mean([.. members.Select(set => set.Metrics)]))),
            measured.Length == 0 ? null : OodMetrics.Mean([.. measured.Select(set => set.Metrics)]));
    }

    private static SetDetection Detect(double[] inDistribution, LabelledSet images, double[] scores)
    {
        var (outScores, furtherScores) = Part(images, scores);
        return new(
            images.Name,
            outScores.Length,
            inDistribution.Length + furtherScores.Length,
            OodMetrics.Compute(outScores, (double[])[.. inDistribution, .. furtherScores]))
        {
            Group = images.Group,
        };
    }
}

/// <summary>How well a score detects one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">In-distribution images, with those of the set that show one of the classes.</param>
/// <param name="Metrics">The numbers.</param>
public sealed record SetDetection(string Name, int OutOfDistributionImages, int InDistributionImages, OodMetrics Metrics)
{
    /// <summary>The group of the set; null where nobody says.</summary>
    public SetGroup? Group { get; init; }
}

/// <summary>How well a score detects the sets of a group, on average.</summary>
/// <param name="Group">The group.</param>
/// <param name="Sets">Names of its sets.</param>
/// <param name="Metrics">The mean over the sets, every set counting alike.</param>
public sealed record GroupDetection(SetGroup Group, IReadOnlyList<string> Sets, OodMetrics Metrics);

/// <summary>Means over the sets of a group.</summary>
internal static class SetGroups
{
    /// <summary>One for each group that has sets, in the order of <see cref="SetGroup"/>.</summary>
    public static IReadOnlyList<TMean> Means<TSet, TMean>(IReadOnlyList<TSet> sets, Func<TSet, SetGroup?> groupOf, Func<SetGroup, TSet[], TMean> mean) =>
    [
        .. sets.Where(set => groupOf(set) is not null).GroupBy(set => groupOf(set)!.Value).OrderBy(members => members.Key)
            .Select(members => mean(members.Key, [.. members])),
    ];
}

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

/// <summary>
/// Detection where every image counts a whole number of times: what a replicate of the bootstrap needs, without sorting the scores again. Ties and conventions are those of
/// <see cref="OodMetrics"/>.
/// </summary>
internal sealed class WeightedDetection
{
    private const double Recall = 0.95;

    private readonly double[] scores;
    private readonly bool[] isPositive;
    private readonly bool[] isTail;

    /// <summary>Sorts the images by falling score.</summary>
    /// <param name="outOfDistribution">Scores of the out-of-distribution images, the positives.</param>
    /// <param name="inDistribution">Scores of the in-distribution images.</param>
    /// <param name="tail">Whether each in-distribution image is a test image of a tail class; null for none.</param>
    public WeightedDetection(IReadOnlyList<double> outOfDistribution, IReadOnlyList<double> inDistribution, IReadOnlyList<bool>? tail = null)
    {
        scores = [.. outOfDistribution, .. inDistribution];
        Order = [.. Enumerable.Range(0, scores.Length)];
        Array.Sort(scores, Order);
        Array.Reverse(scores);
        Array.Reverse(Order);
        isPositive = Array.ConvertAll(Order, image => image < outOfDistribution.Count);
        isTail = Array.ConvertAll(Order, image => image >= outOfDistribution.Count && (tail?[image - outOfDistribution.Count] ?? false));
    }

    /// <summary>The images by falling score: the number of each among the out-of-distribution images and then the others.</summary>
    public int[] Order { get; }

    /// <summary>The numbers, each not a number where there is nothing to count.</summary>
    /// <param name="weights">How often each image counts, in <see cref="Order"/>.</param>
    public WeightedMetrics Of(ReadOnlySpan<byte> weights)
    {
        var (positives, negatives, tails) = (0L, 0L, 0L);
        for (var i = 0; i < weights.Length; i++)
        {
            positives += isPositive[i] ? weights[i] : 0;
            negatives += isPositive[i] ? 0 : weights[i];
            tails += isTail[i] ? weights[i] : 0;
        }

        if (positives == 0 || negatives == 0)
        {
            return new(double.NaN, double.NaN, double.NaN, double.NaN);
        }

        // One pass over the thresholds, falling; images of one score pass together.
        var (area, tailArea, precision, rate, distance) = (0.0, 0.0, 0.0, 0.0, Recall);
        var (found, wrong) = (0L, 0L);
        for (var i = 0; i < scores.Length;)
        {
            var (foundHere, wrongHere, tailHere) = (0L, 0L, 0L);
            for (var score = scores[i]; i < scores.Length && scores[i] == score; i++)
            {
                foundHere += isPositive[i] ? weights[i] : 0;
                wrongHere += isPositive[i] ? 0 : weights[i];
                tailHere += isTail[i] ? weights[i] : 0;
            }

            area += wrongHere * (found + (foundHere / 2.0));
            tailArea += tailHere * (found + (foundHere / 2.0));
            (found, wrong) = (found + foundHere, wrong + wrongHere);
            precision += foundHere == 0 ? 0 : foundHere * (found / (double)(found + wrong));

            // Of equally near recalls the higher, of equal ones the more false positives; nothing behind the first full recall (RocCurve).
            var away = Math.Abs((found / (double)positives) - Recall);
            if (found - foundHere < positives && away <= distance)
            {
                (rate, distance) = (wrong / (double)negatives, away);
            }
        }

        return new(area / ((double)positives * negatives), precision / positives, rate, tailArea / ((double)positives * tails));
    }
}

/// <summary>Detection of images that count several times.</summary>
/// <param name="Auroc">Area under the ROC curve.</param>
/// <param name="AuprOut">Average precision, out-of-distribution positive.</param>
/// <param name="Fpr95">False-positive rate at the recall nearest to 0.95.</param>
/// <param name="TailAuroc">Area under the ROC curve against the test images of the tail classes.</param>
internal readonly record struct WeightedMetrics(double Auroc, double AuprOut, double Fpr95, double TailAuroc);
