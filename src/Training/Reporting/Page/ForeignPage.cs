using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

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
