namespace Pascl.Training.Evaluation;

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
