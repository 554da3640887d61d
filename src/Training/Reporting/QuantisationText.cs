using System.Globalization;
using Pascl.Training.Evaluation;
using Spectre.Console;

namespace Pascl.Training.Reporting;

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
