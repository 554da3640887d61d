using System.Globalization;
using Pascl.Training.Evaluation;
using Spectre.Console;

namespace Pascl.Training.Reporting;

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
