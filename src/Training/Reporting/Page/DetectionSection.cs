using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Html;
using ScottPlot;

namespace Pascl.Training.Reporting.Page;

/// <summary>How well out-of-distribution images are told from others: ROC, precision over recall, where the scores lie, and the features.</summary>
internal static class DetectionSection
{
    private const int TableSteps = 10;

    public static IEnumerable<XElement> Of(EvaluationReport report, EvaluationFigures? figures, double? threshold)
    {
        if (figures is not null)
        {
            var curves = figures.Detection.Curves;
            yield return HtmlPage.Section(
                "Detection",
                HtmlPage.Figures(
                [
                    .. curves.Count == 0 ? [] : (XElement[])[Roc(report, curves), PrecisionRecall(report, curves)],
                    Histogram(report, figures.Detection.Histogram, threshold),
                    .. figures.Features is { } map ? [FeatureMapFigure.Of(map)] : Array.Empty<XElement>(),
                ]));
        }
    }

    private static XElement Roc(EvaluationReport report, IReadOnlyList<DetectionCurves> curves)
    {
        var plot = PagePlot.New("false-positive rate", "true-positive rate");
        foreach (var (number, curve) in curves.Index())
        {
            plot.AddLine(number, curve.Name, curve.FalsePositiveRate, curve.TruePositiveRate);
        }

        return SvgFigure.Of(
            plot.WithLimits(0, 1, 0, 1).WithLegend(),
            "roc",
            "ROC of every set as deployed; an OOD image found is a true positive. Up and to the left is better.",
            $"One rising line for each set. Area under the curve in per cent: {PerSet(report, result => result.Metrics.Auroc)}.",
            Table("true-positive rate in % by false-positive rate", "false-positive rate, %", curves, 0, (curve, level) =>
                Interpolated(curve.FalsePositiveRate, curve.TruePositiveRate, level)));
    }

    private static XElement PrecisionRecall(EvaluationReport report, IReadOnlyList<DetectionCurves> curves)
    {
        var plot = PagePlot.New("recall", "precision");
        foreach (var (number, curve) in curves.Index())
        {
            plot.AddLine(number, curve.Name, curve.Recall, curve.Precision);
        }

        return SvgFigure.Of(
            plot.WithLimits(0, 1, 0, 1).WithLegend(),
            "precision-recall",
            "Precision over recall of every set as deployed, OOD positive. It depends on how many OOD images a set has.",
            $"One line for each set. Average precision in per cent: {PerSet(report, result => result.Metrics.AuprOut)}.",
            Table("precision in % by recall", "recall, %", curves, 1, (curve, level) => curve.Precision[First(curve.Recall, level)]));
    }

    private static XElement Histogram(EvaluationReport report, ScoreHistogram histogram, double? threshold)
    {
        var plot = PagePlot.New($"score ({report.Score}), higher = more OOD", "share of images, %");
        double[] outOfDistribution =
        [
            .. Enumerable.Range(0, ScoreHistogram.BinCount).Select(bin => histogram.Sets.Select(set => Shares(set.Images)[bin]).DefaultIfEmpty().Average()),
        ];
        (string Name, double[] Shares)[] groups =
        [
            ("ID head", Shares(histogram.Head)),
            ("ID tail", Shares(histogram.Tail)),
            .. histogram.Sets.Count == 0 ? [] : new[] { ("OOD", outOfDistribution) },
        ];
        foreach (var (number, (name, shares)) in groups.Index())
        {
            plot.AddLine(number, name, [.. histogram.Edges.SelectMany(edge => (double[])[edge, edge])], [0, .. shares.SelectMany(share => (double[])[share, share]), 0]);
        }

        if (threshold is { } line && line >= histogram.Edges[0] && line <= histogram.Edges[^1])
        {
            plot.AddLine(groups.Length, "threshold", [line, line], [0, groups.Max(group => group.Shares.Max())]);
        }

        return SvgFigure.Of(
            plot.WithLegend(),
            "scores",
            "Scores of the test images of head and tail classes, and of OOD images (mean over the sets). Less overlap is better.",
            "Outlines of histograms. Median scores: " +
            string.Join(", ", groups.Select(group => $"{group.Name} about {Text(Median(histogram.Edges, group.Shares))}")) + ".",
            new(
                "share of images in %, by score",
                ["score from", "to", .. groups.Select(group => group.Name)],
                [
                    .. Enumerable.Range(0, ScoreHistogram.BinCount).Select(bin => (string[])
                    [
                        Text(histogram.Edges[bin]),
                        Text(histogram.Edges[bin + 1]),
                        .. groups.Select(group => Text(group.Shares[bin], "0.0")),
                    ]),
                ]));
    }

    private static double[] Shares(int[] counts)
    {
        var all = Math.Max(1, counts.Sum());
        return Array.ConvertAll(counts, count => 100.0 * count / all);
    }

    // The middle of the bin in which half of the images are reached.
    private static double Median(double[] edges, double[] shares)
    {
        var sum = 0.0;
        var bin = Array.FindIndex(shares, share => (sum += share) >= 50);
        return bin < 0 ? double.NaN : (edges[bin] + edges[bin + 1]) / 2;
    }

    private static TextTable Table(
        string title, string level, IReadOnlyList<DetectionCurves> curves, int first, Func<DetectionCurves, double, double> at) => new(
        title,
        [level, .. curves.Select(curve => curve.Name)],
        [
            .. Enumerable.Range(first, TableSteps + 1 - first).Select(step => (string[])
            [
                $"{100 * step / TableSteps}",
                .. curves.Select(curve => Text(100 * at(curve, (double)step / TableSteps), "0.0")),
            ]),
        ]);

    // The highest ordinate at an abscissa, on the line between two points.
    private static double Interpolated(double[] x, double[] y, double at)
    {
        var after = Array.FindIndex(x, value => value > at);
        return after <= 0 ? y[^1] : y[after - 1] + ((at - x[after - 1]) / (x[after] - x[after - 1]) * (y[after] - y[after - 1]));
    }

    private static int First(double[] rising, double level) => Array.FindIndex(rising, value => value >= level - 1e-12);

    private static string PerSet(EvaluationReport report, Func<OodResult, double> number) =>
        string.Join(", ", report.Deployed.Sets.Select(set => $"{set.Name} {ReportTable.Percentage(number(set.Result))}"));

    private static string Text(double value, string format = "G4") => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>The features of some images as points in a plane.</summary>
internal static class FeatureMapFigure
{
    public static XElement Of(FeatureMap map)
    {
        var plot = PagePlot.New("first principal component", "second principal component");
        // OOD images first and tail images last: the fewest are not covered by the many.
        foreach (var kind in map.Groups.GroupBy(group => group.Group).OrderBy(kind => kind.Key != ImageGroup.OutOfDistribution).ThenBy(kind => kind.Key))
        {
            var (name, shape) = Look(kind.Key);
            var points = plot.Add.Markers(
                kind.SelectMany(group => group.X).ToArray(), kind.SelectMany(group => group.Y).ToArray(), shape, 5, PagePlot.Colour((int)kind.Key));
            points.LegendText = name;
        }

        return SvgFigure.Of(
            plot.WithLegend(),
            "features",
            $"Features of {map.Groups.Sum(group => group.X.Length)} images (main branch), by principal components: the two directions of most spread hold " +
            $"{ReportTable.Percentage(map.ExplainedShare[0])} % and {ReportTable.Percentage(map.ExplainedShare[1])} % of the variance.",
            "Points of head classes, tail classes and OOD images. Their centres: " +
            string.Join(", ", map.Groups.Select(group => $"{group.Name} ({Text(group.X.Average())}, {Text(group.Y.Average())})")) + ".",
            new(
                "centre and spread of the points",
                ["images", "shown", "first, mean", "sd", "second, mean", "sd"],
                [
                    .. map.Groups.Select(group => (string[])
                    [
                        group.Name, $"{group.X.Length}", Text(group.X.Average()), Text(Spread(group.X)), Text(group.Y.Average()), Text(Spread(group.Y)),
                    ]),
                ]));
    }

    // Shapes as well as colours, for who cannot tell the colours apart.
    private static (string Name, MarkerShape Shape) Look(ImageGroup group) => group switch
    {
        ImageGroup.Head => ("ID head", MarkerShape.FilledCircle),
        ImageGroup.Tail => ("ID tail", MarkerShape.FilledTriangleUp),
        _ => ("OOD", MarkerShape.OpenSquare),
    };

    private static double Spread(double[] values)
    {
        var mean = values.Average();
        return Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
    }

    private static string Text(double value, string format = "G3") => value.ToString(format, CultureInfo.InvariantCulture);
}
