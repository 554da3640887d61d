namespace Pascl.Training.Evaluation;

/// <summary>
/// The receiver operating characteristic of scores where higher means more positive. One point per distinct score, thresholds falling, so
/// that tied scores share a point; before them the origin, where nothing is called positive, with the highest score plus one as its
/// threshold (scikit-learn 1.2).
/// </summary>
public sealed class RocCurve
{
    private const int ParallelSortThreshold = 50_000;

    private readonly RocPoint[] points;

    private RocCurve(RocPoint[] points) => this.points = points;

    /// <summary>The points in order of falling threshold, the origin first.</summary>
    public ReadOnlySpan<RocPoint> Points => points;

    /// <summary>Number of positives, P.</summary>
    public int Positives => points[^1].TruePositives;

    /// <summary>Number of negatives, N.</summary>
    public int Negatives => points[^1].FalsePositives;

    /// <summary>Sorts and cumulates the scores; O(n log n), infinite scores are allowed.</summary>
    /// <exception cref="ArgumentException">A set is empty, or a score is not a number.</exception>
    public static RocCurve From(ReadOnlySpan<double> positives, ReadOnlySpan<double> negatives)
    {
        if (positives.IsEmpty || negatives.IsEmpty)
        {
            throw new ArgumentException(
                $"There are {positives.Length} positives and {negatives.Length} negatives; a curve needs at least one of each.");
        }

        // Each set is sorted by itself, on a thread of its own, and the two are merged; no labels are carried along.
        var (rising, other) = (positives.ToArray(), negatives.ToArray());
        if (rising.Length + other.Length < ParallelSortThreshold)
        {
            Array.Sort(rising);
            Array.Sort(other);
        }
        else
        {
            Parallel.Invoke(() => Array.Sort(rising), () => Array.Sort(other));
        }

        // Sorting puts what is not a number first.
        return double.IsNaN(rising[0]) || double.IsNaN(other[0])
            ? throw new ArgumentException("A score is not a number.")
            : new RocCurve(Merge(rising, other));
    }

    /// <summary>FP / N at a point.</summary>
    public double FalsePositiveRate(RocPoint point) => point.FalsePositives / (double)Negatives;

    /// <summary>TP / P at a point, the recall.</summary>
    public double TruePositiveRate(RocPoint point) => point.TruePositives / (double)Positives;

    /// <summary>
    /// The area under the curve: the probability that a random positive scores higher than a random negative, ties counting one half.
    /// Counted in whole numbers, so the only rounding is that of one division.
    /// </summary>
    public double Area()
    {
        long doubledArea = 0;
        for (var i = 1; i < points.Length; i++)
        {
            var (before, after) = (points[i - 1], points[i]);
            doubledArea += (long)(after.FalsePositives - before.FalsePositives) * ((long)before.TruePositives + after.TruePositives);
        }

        return doubledArea / (2.0 * Positives * Negatives);
    }

    /// <summary>
    /// Average precision: sum over the points of (recall - recall before) * precision, step-wise and without interpolation.
    /// </summary>
    public double AveragePrecision()
    {
        var sum = 0.0;
        for (var i = 1; i < points.Length; i++)
        {
            var gained = points[i].TruePositives - points[i - 1].TruePositives;
            sum += gained * (points[i].TruePositives / ((double)points[i].TruePositives + points[i].FalsePositives));
        }

        return sum / Positives;
    }

    /// <summary>
    /// Area under the precision-recall curve by the trapezoid rule, from precision 1 at recall 0: what scikit-learn's
    /// <c>auc(recall, precision)</c> gives. No threshold reaches the lines between the points (Davis and Goadrich, ICML 2006), so the number is
    /// below <see cref="AveragePrecision"/> in one place and above in another.
    /// </summary>
    public double PrecisionRecallArea()
    {
        var (sum, precisionBefore) = (0.0, 1.0);
        for (var i = 1; i < points.Length; i++)
        {
            var precision = points[i].TruePositives / ((double)points[i].TruePositives + points[i].FalsePositives);
            sum += (points[i].TruePositives - points[i - 1].TruePositives) * (precision + precisionBefore) / 2;
            precisionBefore = precision;
        }

        return sum / Positives;
    }

    /// <summary>
    /// The false-positive rate where |recall - level| is smallest; of two points equally near the one of higher recall counts, and of
    /// points of the same recall the one with more false positives. Points after the first of full recall take no part. This is the rule
    /// behind the published numbers of outlier exposure and PASCL (github.com/amazon-science/long-tailed-ood-detection,
    /// <c>utils/ood_metrics.py</c>); distances are taken in double, as there.
    /// </summary>
    public double FalsePositiveRateAtNearestRecall(double level)
    {
        var candidate = 0;
        while (points[candidate].TruePositives < Positives)
        {
            candidate++;
        }

        var nearest = candidate;
        for (; candidate >= 0; candidate--)
        {
            if (Math.Abs(TruePositiveRate(points[candidate]) - level) < Math.Abs(TruePositiveRate(points[nearest]) - level))
            {
                nearest = candidate;
            }
        }

        return FalsePositiveRate(points[nearest]);
    }

    /// <summary>
    /// The false-positive rate at the first point, thresholds falling, whose recall is at least <paramref name="level"/>.
    /// </summary>
    public double FalsePositiveRateAtFirstRecall(double level)
    {
        foreach (var point in points)
        {
            if (TruePositiveRate(point) >= level)
            {
                return FalsePositiveRate(point);
            }
        }

        throw new ArgumentOutOfRangeException(nameof(level), level, "A recall is at most 1.");
    }

    /// <summary>
    /// The share of negatives strictly above the floor(level P)-th highest positive: the rule of SC-OOD, where in-distribution is positive.
    /// </summary>
    public double FalsePositiveRateAbove(double level)
    {
        var first = IndexOfFirst(Math.Max(1, (int)Math.Floor(level * Positives)));
        return FalsePositiveRate(points[first - 1]);
    }

    /// <summary>The first point, thresholds falling, with at least so many true positives, from 1 to <see cref="Positives"/>.</summary>
    public RocPoint FirstWithTruePositives(int count) => points[IndexOfFirst(count)];

    /// <summary>
    /// The point whose false-positive rate is nearest to <paramref name="level"/>, the first such point when thresholds fall.
    /// </summary>
    public RocPoint NearestToFalsePositiveRate(double level) => Nearest(FalsePositiveRate, level);

    /// <summary>
    /// The point whose true-positive rate is nearest to <paramref name="level"/>, the first such point when thresholds fall.
    /// </summary>
    public RocPoint NearestToTruePositiveRate(double level) => Nearest(TruePositiveRate, level);

    /// <summary>
    /// The curve without the points that lie midway between their neighbours, as scikit-learn's <c>roc_curve</c> gives it by default. The
    /// area is the same, but the point nearest to a level can be another one.
    /// </summary>
    public RocCurve WithoutCollinearPoints()
    {
        var kept = new List<RocPoint> { points[0], points[1] };
        for (var i = 2; i < points.Length - 1; i++)
        {
            var (before, here, after) = (points[i - 1], points[i], points[i + 1]);
            if (after.FalsePositives - here.FalsePositives != here.FalsePositives - before.FalsePositives ||
                after.TruePositives - here.TruePositives != here.TruePositives - before.TruePositives)
            {
                kept.Add(here);
            }
        }

        if (points.Length > 2)
        {
            kept.Add(points[^1]);
        }

        return new RocCurve([.. kept]);
    }

    /// <summary>The curve of the negated scores with positives and negatives exchanged: in-distribution as the positive class.</summary>
    public RocCurve Mirrored()
    {
        var mirrored = new RocPoint[points.Length];
        mirrored[0] = new RocPoint(1 - points[^1].Threshold, 0, 0);
        for (var i = 1; i < points.Length; i++)
        {
            var above = points[^(i + 1)];
            mirrored[i] = new RocPoint(-points[^i].Threshold, Positives - above.TruePositives, Negatives - above.FalsePositives);
        }

        return new RocCurve(mirrored);
    }

    private static RocPoint[] Merge(double[] positives, double[] negatives)
    {
        var (positive, negative) = (positives.Length - 1, negatives.Length - 1);
        var merged = new RocPoint[positives.Length + negatives.Length + 1];
        merged[0] = new RocPoint(Math.Max(positives[^1], negatives[^1]) + 1, 0, 0);
        var count = 1;
        while (positive >= 0 || negative >= 0)
        {
            var threshold = positive < 0 ? negatives[negative]
                : negative < 0 ? positives[positive]
                : Math.Max(positives[positive], negatives[negative]);
            while (positive >= 0 && positives[positive] == threshold)
            {
                positive--;
            }

            while (negative >= 0 && negatives[negative] == threshold)
            {
                negative--;
            }

            merged[count++] = new RocPoint(threshold, negatives.Length - 1 - negative, positives.Length - 1 - positive);
        }

        return count == merged.Length ? merged : merged[..count];
    }

    private int IndexOfFirst(int truePositives)
    {
        var (low, high) = (1, points.Length - 1);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            (low, high) = points[middle].TruePositives >= truePositives ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private RocPoint Nearest(Func<RocPoint, double> rate, double level)
    {
        var nearest = points[0];
        foreach (var point in points)
        {
            if (Math.Abs(rate(point) - level) < Math.Abs(rate(nearest) - level))
            {
                nearest = point;
            }
        }

        return nearest;
    }
}

/// <summary>One operating point: an image is called positive when its score is at least <paramref name="Threshold"/>.</summary>
/// <param name="Threshold">The lowest score that is called positive.</param>
/// <param name="FalsePositives">Negatives with such a score.</param>
/// <param name="TruePositives">Positives with such a score.</param>
public readonly record struct RocPoint(double Threshold, int FalsePositives, int TruePositives);

/// <summary>
/// The curves of one out-of-distribution set for plotting, at most <see cref="MostPoints"/> points each. Every point is one of the whole curve;
/// what is left out between two of them is less than a line shows.
/// </summary>
/// <param name="Name">Name of the set.</param>
/// <param name="FalsePositiveRate">Abscissae of the ROC, from 0 to 1.</param>
/// <param name="TruePositiveRate">Ordinates of the ROC.</param>
/// <param name="Recall">Abscissae of the precision-recall curve, rising to 1; out-of-distribution is positive.</param>
/// <param name="Precision">Ordinates of the precision-recall curve.</param>
public sealed record DetectionCurves(string Name, double[] FalsePositiveRate, double[] TruePositiveRate, double[] Recall, double[] Precision)
{
    /// <summary>Points of a curve at most.</summary>
    public const int MostPoints = 200;

    /// <summary>Thins a curve whose positives are the out-of-distribution images.</summary>
    public static DetectionCurves Of(string name, RocCurve curve)
    {
        RocPoint[] roc = [.. SpacedEvenly(curve)], precision = [.. AtRecalls(curve)];
        return new(
            name,
            Array.ConvertAll(roc, curve.FalsePositiveRate),
            Array.ConvertAll(roc, curve.TruePositiveRate),
            Array.ConvertAll(precision, curve.TruePositiveRate),
            Array.ConvertAll(precision, point => point.TruePositives / ((double)point.TruePositives + point.FalsePositives)));
    }

    // Both rates rise from 0 to 1, so the way along the axes is 2 in all, and a step of 2 / (most - 2) is taken at most (most - 2) times
    // between the first point and the last.
    private static List<RocPoint> SpacedEvenly(RocCurve curve)
    {
        var points = curve.Points;
        List<RocPoint> kept = [points[0]];
        var before = 0.0;
        foreach (var point in points[1..^1])
        {
            var way = curve.FalsePositiveRate(point) + curve.TruePositiveRate(point);
            if (way - before >= 2.0 / (MostPoints - 2))
            {
                kept.Add(point);
                before = way;
            }
        }

        kept.Add(points[^1]);
        return kept;
    }

    private static IEnumerable<RocPoint> AtRecalls(RocCurve curve) => Enumerable.Range(1, MostPoints)
        .Select(step => curve.FirstWithTruePositives((int)((((long)step * curve.Positives) + MostPoints - 1) / MostPoints)))
        .Distinct();
}
