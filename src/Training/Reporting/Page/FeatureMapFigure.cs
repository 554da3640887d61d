using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Html;
using ScottPlot;

namespace Pascl.Training.Reporting.Page;

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
