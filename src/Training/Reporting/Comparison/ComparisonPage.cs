using System.Xml.Linq;
using Pascl.Training.Reporting.Html;

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
