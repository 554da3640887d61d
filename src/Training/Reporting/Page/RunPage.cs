using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>
/// A run as a page: <c>report.html</c>, one file that loads nothing. While a run trains it shows how far it has come; after the evaluation it
/// shows everything.
/// </summary>
internal static class RunPage
{
    /// <summary>Writes the page of what a run folder holds, whole or not at all.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="evaluation">The evaluation to show; the run's own where it is left out.</param>
    /// <returns>The sentences about what is missing.</returns>
    /// <exception cref="InputException">The folder is none of a run, or the page cannot be written.</exception>
    public static IReadOnlyList<string> Write(RunFolder folder, EvaluationFiles? evaluation = null)
    {
        var record = RunRecord.Read(folder, evaluation);
        var page = Encoding.UTF8.GetBytes(Of(record, DateTimeOffset.Now));
        DurableFile.Replace((evaluation ?? folder.Evaluation).Page, stream => stream.Write(page));
        return record.Notes;
    }

    /// <summary>Writes the page for a command that goes on whatever happens to it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="error">Told in a sentence what went wrong.</param>
    /// <returns>Whether the page was written.</returns>
    public static bool TryWrite(RunFolder folder, TextWriter error)
    {
        try
        {
            Write(folder);
            return true;
        }
        catch (Exception exception)
        {
            // Days of training are worth more than a page, whatever the cause is: a full disk, or a machine without the library that draws.
            error.WriteLine($"{folder.Evaluation.Page} was not written, and everything else goes on: {exception.Message}");
            return false;
        }
    }

    internal static string Of(RunRecord record, DateTimeOffset now) => HtmlPage.Write(
        $"Run {Path.GetFileName(record.Folder)}",
        [
            .. HeadlineSection.Of(record, now),
            .. TrainingSection.Of(record),
            .. record.Report is { } report
                ? (XElement[])[.. DetectionSection.Of(report, record.Figures, record.Threshold?.Score == report.Score ? record.Threshold.Value : null), .. ScoreSection.Of(record.Scores), .. ClassSection.Of(report), .. WorstSection.Of(report, record.Worst)]
                : [],
            .. RecipeSection.Of(record),
        ]);
}

/// <summary>The scores that <c>evaluate --scores</c> compared with each other.</summary>
internal static class ScoreSection
{
    public static IEnumerable<XElement> Of(ScoreReport? report)
    {
        if (report is { Scores.Count: > 0 })
        {
            yield return HtmlPage.Section(
                report.IsOfBranch ? "Scores of the main branch" : "Scores",
                Table(report, "AUROC ↑", metrics => metrics.Auroc), HtmlPage.Details(Rows(report, "FPR95 ↓", metrics => metrics.Fpr95)));
        }
    }

    private static XElement Table(ScoreReport report, string metric, Func<OodMetrics, double> number) => HtmlPage.Table(Rows(report, metric, number));

    // The best on average first.
    private static TextTable Rows(ScoreReport report, string metric, Func<OodMetrics, double> number) => new(
        $"{metric} of each score, out-of-distribution positive, %; the best AUROC first",
        ["score", "average", .. report.Scores[0].Groups.Select(group => GroupText.Of(group.Group)), .. report.Scores[0].Sets.Select(set => set.Name)],
        [
            .. report.Scores.OrderByDescending(score => score.Average?.Auroc ?? double.NaN).Select(score => (string[])
            [
                score.Name,
                ReportTable.Percentage(score.Average is { } average ? number(average) : double.NaN),
                .. score.Groups.Select(group => ReportTable.Percentage(number(group.Metrics))),
                .. score.Sets.Select(set => ReportTable.Percentage(number(set.Metrics))),
            ]),
        ]);
}

/// <summary>Every value that was used, and where the run was trained.</summary>
internal static class RecipeSection
{
    public static IEnumerable<XElement> Of(RunRecord record)
    {
        yield return HtmlPage.Section(
            "Recipe and machine",
            [
                HtmlPage.Details(new(
                    "recipe, every value",
                    ["value", "is"],
                    [.. RecipeValues.Of(RecipeFile.Write(record.Recipe)).Select(value => (string[])[value.Key, value.Value])])),
                .. record.Provenance is not { } provenance ? [] : (XElement[])[HtmlPage.Details(Provenance(provenance))],
                .. record.Machine.Count == 0
                    ? []
                    : (XElement[])
                    [
                        HtmlPage.Details(new(
                            "machine that the run was trained on", ["part", "is"], [.. record.Machine.Select(part => (string[])[part.Key, part.Value])])),
                    ],
                .. record.Convolutions.Count == 0
                    ? []
                    : (XElement[])
                    [
                        HtmlPage.Details(new(
                            "convolutions on that machine, compared with double precision",
                            ["convolution", "how it is computed, and its largest error"],
                            [.. record.Convolutions.Select(part => (string[])[part.Key[ConvolutionReport.RowPrefix.Length..], part.Value])])),
                    ],
                HtmlPage.Paragraph($"Folder: {record.Folder}"),
            ]);
    }

    private static TextTable Provenance(Provenance made) => new(
        "what made the run: program, weights and images",
        ["part", "is"],
        [
            ["Pascl", $"{made.PasclVersion}, commit {made.PasclCommit}, on {made.Written}"],
            ["weights, SHA-256", made.Weights ?? "still in training"],
            .. made.Data is not { } data ? [] : (string[][])
            [
                ["images", data.ToString()],
                .. data.Sets.Select(set => (string[])
                [
                    set.Set, string.Create(CultureInfo.InvariantCulture, $"{set.Images:N0} images, {(set.Pixels.Length > 0 ? $"pixels and labels {set.Pixels}" : $"files and labels {set.Files}")}"),
                ]),
                .. data.Lists.Select(list => (string[])[$"list {list.File}, SHA-256", list.Sha256]),
            ],
        ]);
}

/// <summary>The images that the score gets most wrong, as a picture and as lists.</summary>
internal static class WorstSection
{
    public static IEnumerable<XElement> Of(EvaluationReport report, byte[]? picture)
    {
        var worst = report.Worst;
        yield return HtmlPage.Section(
            "Most wrong images",
            [
                .. picture is null ? [] : (XElement[])[Pictures(report, picture)],
                HtmlPage.Details(List(report, "test images of the highest score", worst.InDistribution)),
                .. worst.OutOfDistribution.Count == 0
                    ? []
                    : (XElement[])[HtmlPage.Details(List(report, "OOD images of the lowest score", worst.OutOfDistribution))],
            ]);
    }

    // The sheet is in the page once, and every image shows its part of it. What is said of them is text of the page, in its colours.
    private static XElement Pictures(EvaluationReport report, byte[] sheet)
    {
        var worst = report.Worst;
        return new XElement(
            "div",
            new XAttribute("style", $"--sheet: url(data:image/png;base64,{Convert.ToBase64String(sheet)})"),
            Of("Test images of the highest score", worst.InDistribution, above: 0),
            worst.OutOfDistribution.Count == 0 ? null : Of("Out-of-distribution images of the lowest score", worst.OutOfDistribution, above: worst.InDistribution.Count));

        object[] Of(string title, IReadOnlyList<WorstImage> images, int above) =>
            [HtmlPage.Paragraph(title), new XElement("ul", new XAttribute("class", "sheet"), images.Select((image, place) => Tile(image, ContactSheet.CornerOf(place, above))))];

        XElement Tile(WorstImage image, (int Left, int Top) corner)
        {
            string[] lines =
            [
                image.Label is { } label ? report.ClassNames[label] : image.Set,
                $"as {report.ClassNames[image.Prediction]}",
                image.Score.ToString("0.0000", CultureInfo.InvariantCulture),
            ];
            return new(
                "li",
                new XElement(
                    "span",
                    new XAttribute("role", "img"),
                    new XAttribute("aria-label", HtmlPage.Clean($"image of {lines[0]}, taken for {report.ClassNames[image.Prediction]}")),
                    new XAttribute("style", string.Create(CultureInfo.InvariantCulture, $"background-position: -{corner.Left}px -{corner.Top}px"))),
                lines.Select(line => new XElement("div", HtmlPage.Clean(line))));
        }
    }

    private static TextTable List(EvaluationReport report, string title, IReadOnlyList<WorstImage> images) => new(
        title,
        ["image", "set", "class", "taken for", "score"],
        [
            .. images.Select(image => (string[])
            [
                image.Source,
                image.Set,
                image.Label is { } label ? report.ClassNames[label] : "none",
                report.ClassNames[image.Prediction],
                image.Score.ToString("0.0000", CultureInfo.InvariantCulture),
            ]),
        ]);
}

/// <summary>The evaluation of a model of somebody else's as a page: what a run's page shows, without training, recipe and images.</summary>
internal static class ForeignPage
{
    /// <summary>Writes the page, whole or not at all.</summary>
    /// <exception cref="InputException">It cannot be written.</exception>
    public static void Write(string path, EvaluationReport report, EvaluationFigures figures, ScoreReport? scores, byte[]? worst, DateTimeOffset now)
    {
        var page = Encoding.UTF8.GetBytes(Of(report, figures, scores, worst, now));
        DurableFile.Replace(path, stream => stream.Write(page));
    }

    internal static string Of(EvaluationReport report, EvaluationFigures figures, ScoreReport? scores, byte[]? worst, DateTimeOffset now) => HtmlPage.Write(
        $"Evaluation of {report.Model!.Name}",
        [
            HtmlPage.Paragraph(
                $"Model {report.Model.Name}, seed {report.Model.Seed}, from its features and logits. Written on {now.ToString("yyyy-MM-dd 'at' HH:mm:ss zzz", CultureInfo.InvariantCulture)}."),
            HtmlPage.Paragraph(HeadlineSection.Verdict(report)),
            HtmlPage.Section("Results", HeadlineSection.Results(report)),
            .. report.Threshold is { } threshold ? [HeadlineSection.Acceptance(threshold)] : Array.Empty<XElement>(),
            HtmlPage.Details(HeadlineSection.Glossary(hasBranches: false)),
            .. DetectionSection.Of(report, figures, report.Threshold?.Threshold),
            .. ScoreSection.Of(scores),
            .. ClassSection.Of(report),
            .. WorstSection.Of(report, worst),
            HtmlPage.Section("Files", HtmlPage.Table(Files(report.Model))),
        ]);

    private static TextTable Files(ForeignModel model) => new(
        "what went into the evaluation",
        ["set", "file", "images", "arrays", "bytes", "SHA-256"],
        [
            .. model.Files.Select(file => (string[])
            [
                file.Set,
                file.File,
                file.Images?.ToString("N0", CultureInfo.InvariantCulture) ?? "-",
                file.Contents,
                file.Bytes?.ToString("N0", CultureInfo.InvariantCulture) ?? "-",
                file.Sha256,
            ]),
        ]);
}
