using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>
/// A table of rates in per cent: a name and numbers in every row. Bordered on a terminal; elsewhere plain text without colours, aligned, and
/// never wrapped.
/// </summary>
internal sealed class ReportTable
{
    private const int PlainWidth = 100;

    private readonly IAnsiConsole console;
    private readonly Table table;

    public ReportTable(IAnsiConsole console, string name, params ReadOnlySpan<string> numbers)
    {
        this.console = console;
        table = new Table { Border = IsTerminal ? TableBorder.Rounded : TableBorder.None };
        table.AddColumn(name);
        foreach (var number in numbers)
        {
            // Without a border only one blank separates columns, which is little between numbers.
            var header = IsTerminal ? number : number.PadLeft(Math.Max(number.Length + 2, "100.00".Length + 1));
            table.AddColumn(new TableColumn(new Text(header)).RightAligned());
        }
    }

    private bool IsTerminal => console.Profile.Out.IsTerminal;

    /// <summary>Gives a file, which has no width of its own, enough of it for rows that start with one of these names.</summary>
    /// <param name="console">The console.</param>
    /// <param name="names">The names.</param>
    /// <param name="columns">Headings of the columns of numbers, where they may be many.</param>
    public static void WidenFor(IAnsiConsole console, IEnumerable<string> names, params IEnumerable<string> columns)
    {
        if (!console.Profile.Out.IsTerminal)
        {
            var numbers = columns.Sum(column => Math.Max(column.Length, "100.00".Length) + "   ".Length);
            console.Profile.Width = Math.Max(console.Profile.Width, Math.Max(PlainWidth, numbers) + names.Select(name => name.Length).DefaultIfEmpty().Max());
        }
    }

    /// <summary>A fraction in per cent; a dash for what is not a number.</summary>
    public static string Percentage(double fraction) =>
        double.IsNaN(fraction) ? "-" : (100 * fraction).ToString("F2", CultureInfo.InvariantCulture);

    public ReportTable AddRow(string name, params IEnumerable<double> fractions) => AddCells(name, fractions.Select(Percentage));

    public ReportTable AddCells(string name, IEnumerable<string> cells)
    {
        table.AddRow(cells.Prepend(name).Select(cell => new Text(cell)));
        return this;
    }

    /// <summary>Sets the next row apart; a plain table stays without empty lines.</summary>
    public ReportTable AddGap()
    {
        if (IsTerminal)
        {
            table.AddEmptyRow();
        }

        return this;
    }

    public void Write(string title)
    {
        console.WriteLine(title);
        console.Write(table);
        console.WriteLine();
    }
}

/// <summary>A table of text, for the console and for files alike.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Columns">Headers, the first one that of the row's name.</param>
/// <param name="Rows">Cells, as many in each row as there are columns.</param>
public sealed record TextTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<string[]> Rows);

/// <summary>The tables of a comparison of scores: score by out-of-distribution set and their average, for each of three metrics, in per cent.</summary>
internal static class ScoreTable
{
    private const string Average = "average";
    private const string Tail = "average, tail";

    /// <summary>Prints the tables.</summary>
    public static void Write(IAnsiConsole console, ScoreReport report)
    {
        string[] columns = [.. report.Scores[0].Sets.Select(set => set.Name), .. report.Scores[0].Groups.Select(group => GroupText.Of(group.Group)), Average, .. report.Scores[0].Tail is null ? Array.Empty<string>() : [Tail]];
        ReportTable.WidenFor(console, report.Scores.Select(score => score.Name), columns);
        Write("AUROC", metrics => metrics.Auroc);
        Write("AUPR", metrics => metrics.AuprOut);
        Write("FPR95", metrics => metrics.Fpr95);

        void Write(string metric, Func<OodMetrics, double> number)
        {
            var table = new ReportTable(console, "score", columns);
            foreach (var score in report.Scores)
            {
                var average = score.Average is { } mean ? number(mean) : double.NaN;
                var tail = score.Tail is { } rare ? (double[])[number(rare)] : [];
                table.AddRow(score.Name, [.. score.Sets.Select(set => number(set.Metrics)), .. score.Groups.Select(group => number(group.Metrics)), average, .. tail]);
            }

            table.Write($"{metric} of each score{(report.IsOfBranch ? " of the main branch" : "")}, out-of-distribution positive, %");
        }
    }
}

/// <summary>Groups of sets in words.</summary>
internal static class GroupText
{
    /// <summary>The group.</summary>
    public static string Of(SetGroup group) => group switch { SetGroup.Near => "near", SetGroup.Far => "far", _ => "shift" };

    /// <summary>The mean over the sets of a group.</summary>
    public static string Mean(SetGroup group, IReadOnlyList<string> sets) => $"{Of(group)}, mean of {sets.Count}";

    /// <summary>Every row of a table of detection: sets, groups, average.</summary>
    public static IEnumerable<(string Name, OodMetrics Metrics)> Rows(DetectionBySet detection) =>
    [
        .. detection.Sets.Select(set => (set.Name, set.Metrics)),
        .. detection.Groups.Select(group => (Mean(group.Group, group.Sets), group.Metrics)),
        .. detection.Average is { } average ? [("average", average)] : Array.Empty<(string, OodMetrics)>(),
    ];
}

/// <summary>What a threshold accepts, in words and as tables.</summary>
internal static class AcceptanceText
{
    // Wider than this, the images cannot fix the share that was asked for.
    private const double WidestInterval = 0.08;

    /// <summary>What the threshold will accept of new in-distribution images; a warning where the images were few.</summary>
    public static string Expected(AcceptanceTable table)
    {
        var (low, high) = (table.Expected.Low, table.Expected.High);
        var sentence = string.Create(
            CultureInfo.InvariantCulture,
            $"{100 * table.Asked:G4} % was asked; chosen on {table.Images:N0} images, the threshold accepts between {100 * low:F1} and {100 * high:F1} % of new in-distribution images, with 95 % certainty");
        return high - low > WidestInterval ? $"Warning: {sentence}. More held-out images make that narrower." : sentence + ".";
    }

    public static IReadOnlyList<string> Columns { get; } = ["set", "should be", "images", "accepted", "95 % interval", "many", "medium", "few"];

    /// <summary>The table's rows as cells, shares in per cent.</summary>
    public static IEnumerable<string[]> Rows(AcceptanceTable table) => table.Rows.Select(row => (string[])
    [
        row.Set,
        row.IsInDistribution ? "accepted" : "rejected",
        row.Images.ToString(CultureInfo.InvariantCulture),
        ReportTable.Percentage(row.Accepted),
        $"{ReportTable.Percentage(row.Interval.Low)} to {ReportTable.Percentage(row.Interval.High)}",
        .. new[] { row.Many, row.Medium, row.Few }.Select(share => ReportTable.Percentage(share ?? double.NaN)),
    ]);

    public static void Write(IAnsiConsole console, AcceptanceTable table)
    {
        ReportTable.WidenFor(console, table.Rows.Select(row => row.Set), Columns);
        var written = new ReportTable(console, Columns[0], [.. Columns.Skip(1)]);
        foreach (var cells in Rows(table))
        {
            written.AddCells(cells[0], cells[1..]);
        }

        written.Write("Accepted images, %; many, medium and few: mean over the classes of the shot group");
    }
}

/// <summary>What eight bits lose, in words and as a table.</summary>
internal static class QuantisationText
{
    public static IReadOnlyList<string> Columns { get; } = ["set", "AUROC float32", "int8", "change", "FPR95 float32", "int8", "change"];

    /// <summary>On which images the ranges were chosen, and how.</summary>
    public static string Chosen(QuantisationReport report) => string.Create(
        CultureInfo.InvariantCulture,
        $"Ranges of the activations chosen on {report.ImageCount:N0} {report.Images}: {(report.Share == 1 ? "from the lowest to the highest value" : $"{100 * report.Share:0.###} % of the values")}, which loses least there of four choices.");

    /// <summary>The sets and their average as cells, in per cent.</summary>
    public static IEnumerable<string[]> Rows(QuantisationReport report)
    {
        foreach (var (before, after) in report.Float32.Sets.Zip(report.Int8.Sets))
        {
            yield return Row(before.Name, before.Auroc, after.Auroc, before.Fpr95, after.Fpr95);
        }

        if (report.Float32 is { Auroc: { } auroc, Fpr95: { } fpr95 })
        {
            yield return Row("average", auroc, report.Int8.Auroc!.Value, fpr95, report.Int8.Fpr95!.Value);
        }
    }

    /// <summary>What else differs, a sentence each; a loss that is large is a warning.</summary>
    public static IEnumerable<string> Sentences(QuantisationReport report)
    {
        var (before, after) = (report.Float32, report.Int8);
        yield return $"Accuracy {Percentage(before.Accuracy)} % in float32, {Percentage(after.Accuracy)} % in int8."
            + (after.Threshold is null ? "" : string.Create(
                CultureInfo.InvariantCulture,
                $" Threshold {before.Threshold:0.######} becomes {after.Threshold:0.######}; of the test images {Percentage(before.Accepted)} and {Percentage(after.Accepted)} % are accepted."));
        yield return string.Create(CultureInfo.InvariantCulture, $"ONNX Runtime where it was exported: {before.ImagesPerSecond:N0} images/s in float32, {after.ImagesPerSecond:N0} in int8.");
        if (IsLarge(report))
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"Warning: eight bits cost {100 * report.Loss:0.00} points of AUROC, more than {100 * QuantisationReport.WorthWarning:0.0}; use the model in float32 where that matters.");
        }
    }

    public static bool IsLarge(QuantisationReport report) => report.Loss > QuantisationReport.WorthWarning;

    public static void Write(IAnsiConsole console, QuantisationReport report)
    {
        ReportTable.WidenFor(console, report.Float32.Sets.Select(set => set.Name), Columns);
        var table = new ReportTable(console, Columns[0], [.. Columns.Skip(1)]);
        foreach (var cells in Rows(report))
        {
            table.AddCells(cells[0], cells[1..]);
        }

        table.Write($"In per cent, of the score {report.Score}");
    }

    private static string[] Row(string name, double auroc, double aurocAfter, double fpr95, double fpr95After) =>
        [name, Percentage(auroc), Percentage(aurocAfter), Change(auroc, aurocAfter), Percentage(fpr95), Percentage(fpr95After), Change(fpr95, fpr95After)];

    private static string Change(double before, double after) => (100 * (after - before)).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture);

    private static string Percentage(double? fraction) => ReportTable.Percentage(fraction ?? double.NaN);
}

/// <summary>What a run is about to read from, in a few lines.</summary>
internal static class DataSummary
{
    private const int ListedProblems = 10;

    public static void Write(IAnsiConsole console, TrainingData data)
    {
        var counts = data.Training.CountPerClass();
        var table = new Table().Border(TableBorder.Simple).AddColumns("images", "set", "number", "size", "decoded");
        Add("training", data.Training);
        Add("validation", data.Validation);
        Add("test", data.Test);
        Add("outliers", data.Outliers);
        foreach (var set in data.OutOfDistribution)
        {
            Add("out of distribution", set);
        }

        console.Write(table);
        console.WriteLine(
            $"{counts.Length} classes, {counts.Max()} to {counts.Min()} training images each (imbalance {(double)counts.Max() / counts.Min():0.#} to 1)");
        foreach (var reason in data.Sets.Where(set => set.Images.IsStreamed).GroupBy(set => set.Images.ReasonToStream, set => set.Images.Name))
        {
            console.WriteLine($"The files of {string.Join(", ", reason.Distinct())} are decoded whenever an image is wanted: {reason.Key}.");
        }

        WriteSkipped(console, data.Skipped);
        foreach (var remark in data.Remarks)
        {
            console.WriteLine($"Note: {remark}");
        }

        foreach (var warning in data.Warnings)
        {
            console.WriteLine($"Warning: {warning}");
        }

        void Add(string role, ImageSet? set)
        {
            if (set is not null)
            {
                table.AddRow(role, Markup.Escape(set.Name), $"{set.Count:N0}", $"{set.Height}x{set.Width}", set.IsStreamed ? "when wanted" : "in memory");
            }
        }
    }

    private static void WriteSkipped(IAnsiConsole console, IReadOnlyList<string> skipped)
    {
        if (skipped.Count == 0)
        {
            return;
        }

        console.WriteLine($"{skipped.Count} broken images were left out:");
        foreach (var sentence in skipped.Take(ListedProblems))
        {
            console.WriteLine("  " + sentence);
        }

        if (skipped.Count > ListedProblems)
        {
            console.WriteLine($"  and {skipped.Count - ListedProblems} more");
        }
    }
}
