using System.Globalization;
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
