using System.Globalization;
using System.Text;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Training.Reporting.Page;

/// <summary>
/// A run as a model card in Markdown (Mitchell et al., Model Cards for Model Reporting, FAT* 2019): what the model is, what it was trained and tested on, how well it does, what
/// its threshold accepts, and where its numbers come from.
/// </summary>
internal static class ModelCard
{
    /// <summary>Writes the card of a run folder, whole or not at all.</summary>
    /// <returns>The sentences about what is missing.</returns>
    /// <exception cref="InputException">The folder is none of a run, or the card cannot be written.</exception>
    public static IReadOnlyList<string> Write(RunFolder folder, string path)
    {
        var record = RunRecord.Read(folder);
        var card = Encoding.UTF8.GetBytes(Of(record));
        DurableFile.Replace(path, stream => stream.Write(card));
        return record.Notes;
    }

    internal static string Of(RunRecord record)
    {
        var card = new StringBuilder();
        Line($"# {Path.GetFileName(record.Folder)}");
        Line($"A classifier of images that also says how far an image is from what it knows (out-of-distribution detection), trained with Pascl by the method `{record.Recipe.Method}` "
            + $"on long-tailed data: network {record.Recipe.Network} of width {record.Recipe.Width}, seed {record.Recipe.Seed}.");
        if (record.Report is { } report)
        {
            Line("## How well it does");
            Line(HeadlineSection.Verdict(report));
            Results(report);
        }

        Line("## Decisions");
        Line(HeadlineSection.Decision(record.Threshold));
        if (record.Acceptance is { } acceptance)
        {
            Line(AcceptanceText.Expected(acceptance));
            Table(AcceptanceText.Columns, AcceptanceText.Rows(acceptance));
        }

        if (record.Quantisation is { } quantisation)
        {
            Line("## In eight bits (`model-int8.onnx`)");
            Line(QuantisationText.Chosen(quantisation));
            Table(QuantisationText.Columns, QuantisationText.Rows(quantisation));
            Line(string.Join(' ', QuantisationText.Sentences(quantisation)));
        }

        Line("## Images");
        if (record.Provenance?.Data is { } data)
        {
            Line($"{data}.");
            Table(["set", "images", "hash of pixels and labels"], data.Sets.Select(set => (string[])[set.Set, Count(set.Images), set.Pixels]));
        }

        if (record.Report is { } counted)
        {
            Table(["class", "training images", "accuracy, %"], counted.ClassNames.Select((name, label) => (string[])
                [name, Count(counted.TrainingCounts[label]), ReportTable.Percentage(counted.Deployed.Classification.PerClassAccuracy[label])]));
        }

        foreach (var warning in record.Provenance?.Warnings ?? [])
        {
            Line($"**Warning:** {warning}");
        }

        Line("## Limits");
        Line("The numbers hold for images like those of the test sets. An image of a kind that is in none of them may be accepted, and classes with few training images are rejected more "
            + "often than others. The score is no probability.");
        Line("## Origin");
        Table(["", ""], Origin(record));
        foreach (var note in record.Notes)
        {
            Line(note);
        }

        return card.ToString();

        void Line(string text) => card.Append(text).Append("\n\n");

        void Table(IReadOnlyList<string> columns, IEnumerable<string[]> rows)
        {
            card.Append($"| {string.Join(" | ", columns)} |\n|{string.Concat(columns.Select(_ => "---|"))}\n");
            foreach (var row in rows)
            {
                card.Append($"| {string.Join(" | ", row.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |\n");
            }

            card.Append('\n');
        }

        void Results(EvaluationReport report)
        {
            var detection = ComparedMetric.All.Where(metric => metric.OfDetection is not null).ToArray();
            Table(
                ["OOD set", "images", .. detection.Select(metric => $"{metric.Title} {(metric.HigherIsBetter ? "↑" : "↓")}")],
                report.Deployed.Sets.Select(set => (string[])
                    [set.Name, Count(set.OutOfDistributionImages), .. detection.Select(metric => ReportTable.Percentage(metric.OfDetection!(set.Result)))]));
            var accuracy = report.Deployed.Classification.Accuracy;
            Table(
                ["test images", "ACC ↑", "many ↑", "medium ↑", "few ↑"],
                [[Count(report.TestImages), .. new[] { accuracy.Overall, accuracy.Many, accuracy.Medium, accuracy.Few }.Select(ReportTable.Percentage)]]);
            Line($"In per cent. The score is `{report.Score}`; FPR95 is the share of test images that are lost when 95 % of the OOD images are caught. Pascl's docs/evaluation.md defines every number.");
        }
    }

    private static IEnumerable<string[]> Origin(RunRecord record)
    {
        if (record.Provenance is { } made)
        {
            yield return ["Pascl", $"{made.PasclVersion}, commit {made.PasclCommit}, {made.Written}"];
            yield return ["weights, SHA-256", made.Weights ?? "still in training"];
            foreach (var list in made.Data?.Lists ?? [])
            {
                yield return [$"list {list.File}, SHA-256", list.Sha256];
            }
        }

        foreach (var (part, value) in record.Machine.Where(part => part.Key is "processor" or "computes on" or "libtorch"))
        {
            yield return [part, value];
        }

        foreach (var (name, value) in RecipeValues.Of(RecipeFile.Write(record.Recipe)).Where(value => value.Value is not ("none" or "" or "[]")))
        {
            yield return [$"`{name}`", value];
        }
    }

    private static string Count(int images) => images.ToString("N0", CultureInfo.InvariantCulture);
}
