using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Checkpoints;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Comparison;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>The top of a run's page: what it is, how far it has come, and the numbers that one looks for first.</summary>
internal static class HeadlineSection
{
    public static IEnumerable<XElement> Of(RunRecord record, DateTimeOffset now)
    {
        yield return HtmlPage.Paragraph(
            $"Method {record.Recipe.Method}, preset {record.Recipe.Preset}, seed {record.Recipe.Seed}, width {record.Recipe.Width}. " +
            $"{State(record)} Written on {now.ToString("yyyy-MM-dd 'at' HH:mm:ss zzz", CultureInfo.InvariantCulture)}.");
        if (record.IsTrained)
        {
            yield return HtmlPage.Paragraph(Decision(record.Threshold));
        }

        foreach (var note in record.Notes)
        {
            yield return HtmlPage.Paragraph(note);
        }

        if (record.Report is { } report)
        {
            yield return HtmlPage.Section("Results", Results(report));
        }
    }

    private static string State(RunRecord record)
    {
        if (record.Report is not null)
        {
            return "Trained and evaluated.";
        }

        if (record.IsTrained)
        {
            return "Trained; the evaluation is still missing.";
        }

        var phase = record.Finished(TrainingPhase.RepresentationName) < record.Recipe.Representation.Epochs
            ? (Name: TrainingPhase.RepresentationName, record.Recipe.Representation.Epochs)
            : (Name: TrainingPhase.AuxiliaryBranchName, record.Recipe.AuxiliaryBranch.Epochs);
        return $"Training: {record.Finished(phase.Name)} of {phase.Epochs} epochs of the phase {phase.Name} are finished; " +
            "this page is written anew as it goes on.";
    }

    private static string Decision(ScoreThreshold? threshold) => threshold is null
        ? "No threshold was chosen, so no image is accepted or rejected. Choose one with: pascl calibrate RUN."
        : FormattableString.Invariant(
            $"Threshold: an image is accepted if its {threshold.Score} score is at most {threshold.Value:G6}, chosen on {threshold.Images:N0} images ")
            + FormattableString.Invariant($"so that at least {100 * threshold.TruePositiveRate:G4} % of them are accepted.");

    private static IEnumerable<XElement> Results(EvaluationReport report)
    {
        var deployed = report.Deployed;
        var detection = ComparedMetric.All.Where(metric => metric.OfDetection is not null).ToArray();
        if (deployed.Average is { } average)
        {
            yield return HtmlPage.Table(new(
                $"Detection as deployed, score {report.Score}, %",
                ["OOD set", "images", .. detection.Select(metric => metric.Title)],
                [
                    ["average", "", .. Cells(average)],
                    .. deployed.Sets.Select(set => (string[])[set.Name, Count(set.OutOfDistributionImages), .. Cells(set.Result)]),
                ]));
        }
        else
        {
            yield return HtmlPage.Paragraph("The run was evaluated without out-of-distribution sets, so there is nothing about detection.");
        }

        yield return HtmlPage.Table(new(
            $"Classification of {Count(report.TestImages)} test images, %",
            ["reading", "ACC", "many", "medium", "few", "macro F1", "ECE", "AURC"],
            [
                .. new[] { ("deployed", deployed), ("main branch", report.Main), ("auxiliary branch", report.Auxiliary) }
                    .Select(reading => Row(reading.Item1, reading.Item2)),
            ]));

        string[] Cells(OodResult result) => [.. detection.Select(metric => ReportTable.Percentage(metric.OfDetection!(result)))];
    }

    private static string[] Row(string name, ReadingReport reading)
    {
        var (accuracy, macroF1) = (reading.Classification.Accuracy, reading.Classification.MacroF1);
        double[] numbers =
        [
            accuracy.Overall, accuracy.Many, accuracy.Medium, accuracy.Few, macroF1, reading.Calibration.Overall.ExpectedCalibrationError,
            reading.Risk.Aurc,
        ];
        return [name, .. numbers.Select(ReportTable.Percentage)];
    }

    private static string Count(int images) => images.ToString("N0", CultureInfo.InvariantCulture);
}
