using System.Globalization;
using Pascl.Training.Evaluation;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>
/// The tables that end a run: detection per out-of-distribution set, and classification by both branches, in per cent. Bordered on a
/// terminal; elsewhere plain text without colours, aligned, and never wrapped.
/// </summary>
public static class EvaluationTable
{
    private const int PlainWidth = 100;

    /// <summary>Prints the tables.</summary>
    public static void Write(IAnsiConsole console, EvaluationReport report)
    {
        if (!console.Profile.Out.IsTerminal)
        {
            // A file has no width of its own; without this the console's guess would break rows in two.
            console.Profile.Width = PlainWidth + report.Deployed.Sets.Select(set => set.Name.Length).DefaultIfEmpty().Max();
        }

        if (report.Deployed.Average is { } average)
        {
            Write(console, "Out-of-distribution detection by the main branch, %", Detection(console, report.Deployed.Sets, average));
        }

        Write(console, $"Classification of the {report.TestImages} test images, %", Classification(console, report));
    }

    private static Table Detection(IAnsiConsole console, IReadOnlyList<OodSetReport> sets, OodResult average)
    {
        var table = NewTable(console, "OOD set", "images", "AUROC", "AUPR", "FPR95", "AUROC tail", "AUROC head");
        foreach (var set in sets)
        {
            table.AddRow(Cells(set.Name, [set.OutOfDistributionImages.ToString(CultureInfo.InvariantCulture), .. Percentages(set.Result)]));
        }

        if (console.Profile.Out.IsTerminal)
        {
            table.AddEmptyRow();
        }

        return table.AddRow(Cells("average", ["", .. Percentages(average)]));
    }

    private static Table Classification(IAnsiConsole console, EvaluationReport report)
    {
        var table = NewTable(console, "branch", "ACC", "many", "medium", "few", "macro F1");
        foreach (var reading in (ReadingReport[])[report.Main, report.Auxiliary])
        {
            var (accuracy, macroF1) = (reading.Classification.Accuracy, reading.Classification.MacroF1);
            double[] numbers = [accuracy.Overall, accuracy.Many, accuracy.Medium, accuracy.Few, macroF1];
            table.AddRow(Cells(reading.ClassBranch == Model.Branch.Main ? "main" : "auxiliary", numbers.Select(Percentage)));
        }

        return table;
    }

    private static IEnumerable<string> Percentages(OodResult result) =>
        new[] { result.Metrics.Auroc, result.Metrics.AuprOut, result.Metrics.Fpr95, result.TailAuroc, result.HeadAuroc }.Select(Percentage);

    private static string Percentage(double fraction) =>
        double.IsNaN(fraction) ? "-" : (100 * fraction).ToString("F2", CultureInfo.InvariantCulture);

    private static IEnumerable<Text> Cells(string name, IEnumerable<string> numbers) =>
        numbers.Prepend(name).Select(cell => new Text(cell));

    private static Table NewTable(IAnsiConsole console, string name, params ReadOnlySpan<string> numbers)
    {
        var table = new Table { Border = console.Profile.Out.IsTerminal ? TableBorder.Rounded : TableBorder.None };
        table.AddColumn(name);
        foreach (var number in numbers)
        {
            // Without a border only one blank separates columns, which is little between numbers.
            var header = console.Profile.Out.IsTerminal ? number : number.PadLeft(Math.Max(number.Length + 2, "100.00".Length + 1));
            table.AddColumn(new TableColumn(new Text(header)).RightAligned());
        }

        return table;
    }

    private static void Write(IAnsiConsole console, string title, Table table)
    {
        console.WriteLine(title);
        console.Write(table);
        console.WriteLine();
    }
}
