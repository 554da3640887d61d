using System.Xml.Linq;
using Pascl.Training.Reporting.Html;
using ScottPlot;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as a page with figures, every one of which is in a table too.</summary>
internal static class ComparisonPage
{
    public static string Write(RunComparison comparison) => HtmlPage.Write(
        "Comparison of runs",
        [
            .. comparison.Notes.Select(HtmlPage.Paragraph),
            HtmlPage.Section("Figures", HtmlPage.Figures(Figures(comparison))),
            HtmlPage.Section("Tables", ComparisonTables.All(comparison).Select(HtmlPage.Table)),
            HtmlPage.Section("Runs", HtmlPage.Table(Runs(comparison))),
        ]);

    private static IEnumerable<XElement> Figures(RunComparison comparison)
    {
        foreach (var metric in comparison.Metrics.Where(metric => metric.OfDetection is not null))
        {
            yield return SvgFigure.Of(
                ComparisonPlots.PerSet(comparison, metric),
                metric.Key,
                $"{metric.Title} as deployed; {(metric.HigherIsBetter ? "higher" : "lower")} is better. Lines: standard deviation over seeds.",
                $"Bars of {metric.Title}, average over the sets: {Means(comparison, metric)}.",
                ComparisonTables.Detection(comparison, metric));
        }

        yield return SvgFigure.Of(
            ComparisonPlots.Accuracies(comparison),
            "accuracies",
            "Accuracy on the test images as deployed; higher is better. Lines: standard deviation over seeds.",
            $"Bars of accuracy on all test images: {Means(comparison, ComparedMetric.Accuracy)}.",
            ComparisonTables.Accuracies(comparison));
    }

    private static string Means(RunComparison comparison, ComparedMetric metric) => string.Join(", ", comparison.Methods.Select(method =>
        $"{method.Name} {ComparisonTables.Percent(comparison.Of(method, new(Reading.Deployed, null, metric)).Mean)} %"));

    private static TextTable Runs(RunComparison comparison) => new(
        "Runs compared",
        ["method", "seed", "folder"],
        [
            .. comparison.Methods.SelectMany(method => method.Runs.Select(run => (string[])[method.Name, $"{run.Recipe.Seed}", run.Folder])),
        ]);
}

/// <summary>The figures of a comparison: a bar for each method, as high as the mean, with the standard deviation over seeds.</summary>
internal static class ComparisonPlots
{
    /// <summary>Bars of a metric for every set and their average.</summary>
    public static Plot PerSet(RunComparison comparison, ComparedMetric metric) => Bars(
        comparison,
        $"{metric.Title}, %",
        [.. comparison.Sets.Select(set => (set, new Quantity(Reading.Deployed, set, metric))), ("average", new(Reading.Deployed, null, metric))]);

    /// <summary>Bars of the accuracies.</summary>
    public static Plot Accuracies(RunComparison comparison) => Bars(
        comparison,
        "accuracy, %",
        [
            .. comparison.Metrics.Where(metric => metric.OfClassification is not null)
                .Select(metric => (metric.Title, new Quantity(Reading.Deployed, null, metric))),
        ]);

    private static Plot Bars(RunComparison comparison, string axis, (string Label, Quantity Quantity)[] groups)
    {
        var plot = PagePlot.New("", axis);
        var count = comparison.Methods.Count;
        foreach (var (m, method) in comparison.Methods.Index())
        {
            // The colours repeat behind the sixth method; the order of the bars is that of the legend.
            Bar[] ofMethod =
            [
                .. groups.Index().Select(group => Bar(comparison.Of(method, group.Item.Quantity), (group.Index * (count + 1)) + m)),
            ];
            var bars = plot.Add.Bars(ofMethod);
            bars.Color = PagePlot.Colour(m);
            bars.LegendText = HtmlPage.Clean(method.Name);
        }

        plot.Axes.Bottom.SetTicks(
            [.. groups.Select((_, g) => (g * (count + 1)) + ((count - 1) / 2.0))], [.. groups.Select(group => HtmlPage.Clean(group.Label))]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.SetLimitsY(0, 100);
        plot.HideGrid();
        plot.ShowLegend(Edge.Bottom);
        return plot;
    }

    private static Bar Bar(Summary summary, double position) => new()
    {
        Position = position,
        Value = double.IsNaN(summary.Mean) ? 0 : 100 * summary.Mean,
        Error = double.IsNaN(summary.StandardDeviation) ? 0 : 100 * summary.StandardDeviation,
    };
}
