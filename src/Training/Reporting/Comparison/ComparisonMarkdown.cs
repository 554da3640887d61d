using System.Text;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as Markdown.</summary>
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
            text.Append($"* {Escape(run.Name)}, seed {run.run.Recipe.Seed}: {Escape(run.run.Folder)}\n");
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
