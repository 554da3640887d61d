using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>A table on the console: bordered on a terminal, plain aligned text when redirected to a file or another program.</summary>
internal static class ConsoleTable
{
    public static void Write(string title, string[] columns, IReadOnlyCollection<string[]> rows)
    {
        if (Console.IsOutputRedirected)
        {
            WritePlain(Console.Out, title, columns, rows);
            return;
        }

        var table = new Table().RoundedBorder().Title(Markup.Escape(title)).AddColumns(Array.ConvertAll(columns, Markup.Escape));
        foreach (var row in rows)
        {
            table.AddRow(Array.ConvertAll(row, cell => new Text(cell)));
        }

        AnsiConsole.Write(table);
    }

    internal static void WritePlain(TextWriter output, string title, string[] columns, IReadOnlyCollection<string[]> rows)
    {
        string[][] lines = [columns, .. rows];
        var widths = columns.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        output.WriteLine(title);
        foreach (var line in lines)
        {
            output.WriteLine($"  {string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()}");
        }
    }
}
