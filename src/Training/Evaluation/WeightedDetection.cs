namespace Pascl.Training.Evaluation;

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
