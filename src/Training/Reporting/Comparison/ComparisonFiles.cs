using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Html;
using ScottPlot;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as files: <c>comparison.md</c>, <c>.csv</c>, <c>.json</c> and <c>.html</c>.</summary>
internal static class ComparisonFiles
{
    private static readonly string[] endings = ["md", "csv", "json", "html"];

    /// <summary>The files that <see cref="Write(string, RunComparison)"/> writes.</summary>
    public static IEnumerable<string> Of(string folder) => endings.Select(ending => PathOf(folder, ending));

    /// <summary>Writes the four files into a folder, which is made where it does not exist; earlier ones are replaced.</summary>
    /// <returns>The paths of the files.</returns>
    /// <exception cref="InputException">The folder cannot be made or a file cannot be written.</exception>
    public static IReadOnlyList<string> Write(string folder, RunComparison comparison)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var reason = File.Exists(folder) ? "a file of that name exists" : DurableFile.Reason(exception);
            throw new InputException($"{folder} could not be created: {reason}. Choose another --out.", exception);
        }

        return
        [
            Write(folder, "md", ComparisonMarkdown.Write(comparison)),
            Write(folder, "csv", ComparisonCsv.Write(comparison)),
            Write(folder, "json", ComparisonJson.Write(comparison)),
            Write(folder, "html", ComparisonPage.Write(comparison)),
        ];
    }

    private static string Write(string folder, string extension, string text)
    {
        var path = PathOf(folder, extension);
        DurableFile.Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        return path;
    }

    private static string PathOf(string folder, string ending) => Path.Combine(folder, $"comparison.{ending}");
}

/// <summary>
/// A comparison as comma-separated values (RFC 4180): a line for every method, number and seed, as a fraction; empty where it is not
/// defined.
/// </summary>
internal static class ComparisonCsv
{
    public static string Write(RunComparison comparison)
    {
        var text = new StringBuilder();
        AppendLine("method", "seed", "reading", "set", "metric", "value");
        foreach (var method in comparison.Methods)
        {
            foreach (var quantity in comparison.Quantities)
            {
                foreach (var (seed, value) in method.Seeds.Zip(comparison.Of(method, quantity).Values))
                {
                    AppendLine(
                        method.Name,
                        seed.ToString(CultureInfo.InvariantCulture),
                        quantity.Reading.ToString().ToLowerInvariant(),
                        quantity.Metric.OfDetection is null ? "" : quantity.Set ?? "average",
                        quantity.Metric.Key,
                        double.IsNaN(value) ? "" : value.ToString("R", CultureInfo.InvariantCulture));
                }
            }
        }

        return text.ToString();

        void AppendLine(params ReadOnlySpan<string> fields)
        {
            text.AppendJoin(',', fields.ToArray().Select(Quote)).Append("\r\n");
        }
    }

    private static string Quote(string field) =>
        field.AsSpan().ContainsAny(",\"\r\n") ? $"\"{field.Replace("\"", "\"\"")}\"" : field;
}

/// <summary>A comparison as JSON: fractions, null where a number is not defined.</summary>
internal static class ComparisonJson
{
    public static string Write(RunComparison comparison) => JsonSerializer.Serialize(
        new
        {
            Statistics =
                "standardDeviation divides by n - 1; confidenceInterval is that of the mean at 95 % by Student's t. bootstrap: " +
                PairedBootstrap.Definition + " Intervals of several numbers or pairs are not corrected for their number.",
            comparison.Notes,
            comparison.Sets,
            comparison.Groups,
            Methods = comparison.Methods.Select(method => new
            {
                method.Name,
                method.Seeds,
                Runs = method.Runs.Select(run => run.Folder),
                // A method can bring its own score, so what the numbers mean is said for each.
                method.Runs[0].Report.Conventions,
                Results = comparison.Quantities.Select(quantity => Result(quantity, comparison.Of(method, quantity))),
            }),
            Differences = comparison.Differences.Select(pair => new
            {
                pair.Method,
                pair.Baseline,
                pair.Seeds,
                Results = pair.Differences.Select(difference => Result(difference.Key, difference.Value)),
                Bootstrap = pair.Bootstrap is not { } drawn ? null : new
                {
                    drawn.Images,
                    Results = drawn.Intervals.Select(interval => new
                    {
                        interval.Key.Reading,
                        Set = interval.Key.Metric.OfDetection is null ? null : interval.Key.Set ?? "average",
                        Metric = interval.Key.Metric.Key,
                        Difference = pair.Differences[interval.Key].Mean,
                        Interval = new[] { interval.Value.Low, interval.Value.High },
                        interval.Value.Probability,
                    }),
                },
            }),
        },
        ReportJson.Options);

    private static object Result(Quantity quantity, Summary summary) => new
    {
        quantity.Reading,
        Set = quantity.Metric.OfDetection is null ? null : quantity.Set ?? "average",
        Metric = quantity.Metric.Key,
        quantity.Metric.HigherIsBetter,
        N = summary.Count,
        summary.Mean,
        summary.StandardDeviation,
        ConfidenceInterval = new[] { summary.Mean - summary.ConfidenceReach, summary.Mean + summary.ConfidenceReach },
        summary.Values,
    };
}

internal static class ComparisonMarkdown
{
    private const string Special = "\\`*_{}[]<>#|~&";

    public static string Write(RunComparison comparison)
    {
        var text = new StringBuilder("# Comparison of runs\n\n");
        foreach (var note in comparison.Notes)
        {
            text.Append($"* {Escape(note)}\n");
        }

        foreach (var table in ComparisonTables.All(comparison))
        {
            text.Append($"\n## {Escape(table.Title)}\n\n");
            AppendRow(table.Columns);
            AppendRow(table.Columns.Select(_ => "---"));
            foreach (var row in table.Rows)
            {
                AppendRow(row.Select(Escape));
            }
        }

        text.Append("\n## Runs\n\n");
        foreach (var run in comparison.Methods.SelectMany(method => method.Runs.Select(run => (method.Name, run))))
        {
            text.Append($"* {Escape(run.Name)}, seed {run.run.Seed}: {Escape(run.run.Folder)}\n");
        }

        return text.ToString();

        void AppendRow(IEnumerable<string> cells) => text.Append($"| {string.Join(" | ", cells)} |\n");
    }

    /// <summary>Text that reads the same in Markdown: nothing in it is a link, HTML, emphasis or the end of a cell.</summary>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (var letter in text)
        {
            escaped.Append(char.IsControl(letter) ? " " : Special.Contains(letter) ? $"\\{letter}" : letter.ToString());
        }

        return escaped.ToString();
    }
}

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
                $"{metric.Title} as deployed; {(metric.HigherIsBetter ? "higher" : "lower")} is better. Points: means; lines: standard deviation over seeds. The axis does not begin at 0.",
                $"Points of {metric.Title}, average over the sets: {Means(comparison, metric)}.",
                ComparisonTables.Detection(comparison, metric));
        }

        yield return SvgFigure.Of(
            ComparisonPlots.Accuracies(comparison),
            "accuracies",
            "Accuracy on the test images as deployed; higher is better. Points: means; lines: standard deviation over seeds. The axis does not begin at 0.",
            $"Points of accuracy on all test images: {Means(comparison, ComparedMetric.Accuracy)}.",
            ComparisonTables.Accuracies(comparison));
    }

    private static string Means(RunComparison comparison, ComparedMetric metric) => string.Join(", ", comparison.Methods.Select(method =>
        $"{method.Name} {ComparisonTables.Percent(comparison.Of(method, new(Reading.Deployed, null, metric)).Mean)} %"));

    private static TextTable Runs(RunComparison comparison) => new(
        "Runs compared",
        ["method", "seed", "folder"],
        [
            .. comparison.Methods.SelectMany(method => method.Runs.Select(run => (string[])[method.Name, $"{run.Seed}", run.Folder])),
        ]);
}

/// <summary>The figures of a comparison: a point for each method, as high as the mean, with the standard deviation over seeds. Bars from 0 would hide differences of a few points.</summary>
internal static class ComparisonPlots
{
    /// <summary>A metric for every set and their average.</summary>
    public static Plot PerSet(RunComparison comparison, ComparedMetric metric) => Points(
        comparison,
        $"{metric.Title}, %",
        [.. ComparisonTables.SetsAndGroups(comparison).Select(set => (set, new Quantity(Reading.Deployed, set, metric))), ("average", new(Reading.Deployed, null, metric))]);

    public static Plot Accuracies(RunComparison comparison) => Points(
        comparison,
        "accuracy, %",
        [
            .. comparison.Metrics.Where(metric => metric.OfClassification is not null)
                .Select(metric => (metric.Title, new Quantity(Reading.Deployed, null, metric))),
        ]);

    private static Plot Points(RunComparison comparison, string axis, (string Label, Quantity Quantity)[] groups)
    {
        var plot = PagePlot.New("", axis);
        var count = comparison.Methods.Count;
        var (lowest, highest) = (100.0, 0.0);
        foreach (var (m, method) in comparison.Methods.Index())
        {
            (double Place, double Mean, double Deviation)[] points =
            [
                .. groups.Index().Select(group => (Place: (double)(group.Index * (count + 1)) + m, Summary: comparison.Of(method, group.Item.Quantity)))
                    .Where(point => !double.IsNaN(point.Summary.Mean))
                    .Select(point => (point.Place, 100 * point.Summary.Mean, double.IsNaN(point.Summary.StandardDeviation) ? 0 : 100 * point.Summary.StandardDeviation)),
            ];
            double[] places = Array.ConvertAll(points, point => point.Place), means = Array.ConvertAll(points, point => point.Mean);

            // The colours repeat behind the sixth method; the order of the points is that of the legend.
            var lines = plot.Add.ErrorBar(places, means, Array.ConvertAll(points, point => point.Deviation));
            (lines.Color, lines.LineWidth) = (PagePlot.Colour(m), 2);
            var markers = plot.Add.Markers(places, means, MarkerShape.FilledCircle, 9, PagePlot.Colour(m));
            markers.LegendText = HtmlPage.Clean(method.Name);
            lowest = points.Select(point => point.Mean - point.Deviation).Append(lowest).Min();
            highest = points.Select(point => point.Mean + point.Deviation).Append(highest).Max();
        }

        plot.Axes.Bottom.SetTicks(
            [.. groups.Select((_, g) => (g * (count + 1)) + ((count - 1) / 2.0))], [.. groups.Select(group => HtmlPage.Clean(group.Label))]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        var margin = Math.Max(1, 0.08 * (highest - lowest));
        plot.Axes.SetLimits(-1, groups.Length * (count + 1), lowest - margin, highest + margin);
        plot.Grid.XAxisStyle.IsVisible = false;
        plot.ShowLegend(Edge.Bottom);
        return plot;
    }
}
