using Pascl.Training.Data;
using Spectre.Console;

namespace Pascl.Training.Reporting;

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
