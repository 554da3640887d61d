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

        foreach (var warning in record.Provenance?.Warnings ?? [])
        {
            yield return HtmlPage.Paragraph($"Warning: {warning}");
        }

        if (record.Report is { } report)
        {
            yield return HtmlPage.Paragraph(Verdict(report));
            yield return HtmlPage.Section("Results", Results(report));
        }

        if (record.Acceptance is { } acceptance)
        {
            yield return Acceptance(acceptance);
        }

        if (record.Report is not null)
        {
            yield return HtmlPage.Details(Glossary(hasBranches: true));
        }
    }

    /// <summary>What a threshold accepts.</summary>
    public static XElement Acceptance(AcceptanceTable acceptance) => HtmlPage.Section(
        "What the threshold does",
        [
            HtmlPage.Paragraph(AcceptanceText.Expected(acceptance)),
            HtmlPage.Table(new("Accepted images, %", AcceptanceText.Columns, [.. AcceptanceText.Rows(acceptance)])),
        ]);

    // Each number where it stands, with the positive class; FPR95 above all is defined in two ways.
    /// <summary>What each number is.</summary>
    /// <param name="hasBranches">Whether the model is one of Pascl's.</param>
    public static TextTable Glossary(bool hasBranches) => new(
        "what each of them means",
        ["number", "is"],
        [
            ["score", "How far out of distribution the model takes an image to be; higher is further."],
            ["AUROC ↑", "Probability that an out-of-distribution image has a higher score than an in-distribution one; 50 % is chance."],
            ["AUPR ↑", "Area under precision over recall, with out-of-distribution images as the positive class; it depends on how many there are."],
            ["FPR95 ↓", "Share of in-distribution images that are lost when 95 % of the out-of-distribution images are caught (out-of-distribution is positive, as in the paper). "
                + "OpenOOD and others mean the share of out-of-distribution images that pass when 95 % of the in-distribution images are accepted; evaluate --details has both, and the "
                + "table of the threshold says what it accepts."],
            ["AUROC tail, head ↑", "AUROC with the test images of the tail classes alone, and of the others."],
            ["ACC ↑", "Share of the test images that are classified rightly, the mean over the classes."],
            ["many, medium, few ↑", "The same over classes by their number of training images, the shot groups."],
            ["macro F1 ↑", "Mean over the classes of the harmonic mean of precision and recall."],
            ["ECE ↓", "Expected calibration error: mean distance of the probability that the model gives its answer from how often it is right."],
            ["AURC ↓", "Area under the risk-coverage curve: mean error among the most certain images, over how many are kept."],
            .. hasBranches
                ? [["deployed", "Class by the auxiliary branch, score by the branch that the method scores with: what score, serve and an exported model do."]]
                : Array.Empty<string[]>(),
        ]);

    public static string Verdict(EvaluationReport report)
    {
        var accuracy = report.Deployed.Classification.Accuracy;
        var classified = FormattableString.Invariant($"{100 * accuracy.Overall:F1} % of the test images are classified rightly");
        var rare = double.IsNaN(accuracy.Few) ? "" : FormattableString.Invariant($" ({100 * accuracy.Few:F1} % in the classes with few training images)");
        if (report.Deployed.Average is not { } average)
        {
            return $"{classified}{rare}. Detection was not measured.";
        }

        var word = average.Metrics.Auroc switch { >= 0.95 => "very well", >= 0.85 => "well", >= 0.7 => "moderately", >= 0.55 => "hardly", _ => "no better than by chance" };
        return $"{classified}{rare}. Images of other kinds are told from them {word}: "
            + FormattableString.Invariant($"in {100 * average.Metrics.Auroc:F1} of 100 pairs the stranger has the higher score (AUROC, mean over {report.Deployed.Sets.Count} sets).");
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

        var phase = !record.IsOver(TrainingPhase.RepresentationName, record.Recipe.Representation)
            ? (Name: TrainingPhase.RepresentationName, record.Recipe.Representation.Epochs)
            : (Name: TrainingPhase.AuxiliaryBranchName, record.Recipe.AuxiliaryBranch.Epochs);
        return $"Training: {record.Finished(phase.Name)} of {phase.Epochs} epochs of the phase {phase.Name} are finished; " +
            "this page is written anew as it goes on.";
    }

    public static string Decision(ScoreThreshold? threshold) => threshold is null
        ? "No threshold was chosen, so no image is accepted or rejected. Choose one with: pascl calibrate RUN."
        : FormattableString.Invariant(
            $"Threshold: an image is accepted if its {threshold.Score} score is at most {threshold.Value:G6}, chosen on {threshold.Images:N0} images ")
            + FormattableString.Invariant($"so that at least {100 * threshold.TruePositiveRate:G4} % of them are accepted.");

    public static IEnumerable<XElement> Results(EvaluationReport report)
    {
        var deployed = report.Deployed;
        var detection = ComparedMetric.All.Where(metric => metric.OfDetection is not null).ToArray();
        if (deployed.Average is { } average)
        {
            yield return HtmlPage.Table(new(
                $"Detection as deployed, score {report.Score}, %",
                ["OOD set", "images", .. detection.Select(metric => $"{metric.Title} {(metric.HigherIsBetter ? "↑" : "↓")}"), "AUROC, 95 % interval", "FPR95, 95 % interval"],
                [
                    ["average", "", .. Cells(average), "", ""],
                    .. deployed.Groups.Select(group => (string[])[GroupText.Mean(group.Group, group.Sets), "", .. Cells(group.Result), "", ""]),
                    .. deployed.Sets.Select(set => (string[])[set.Name, Count(set.OutOfDistributionImages), .. Cells(set.Result), Range(set.Intervals?.Auroc), Range(set.Intervals?.Fpr95)]),
                ]));
            if (deployed.FullSpectrum is { } spectrum)
            {
                yield return HtmlPage.Table(new(
                    $"Full spectrum: test images and {string.Join(", ", deployed.ShiftedSets.Select(set => set.Name))} together as in-distribution "
                        + $"(classified rightly: {ReportTable.Percentage(deployed.FullSpectrumAccuracy)} %), %",
                    ["OOD set", "AUROC ↑", "AUPR ↑", "FPR95 ↓"],
                    [
                        .. GroupText.Rows(spectrum).Select(row => (string[])
                            [row.Name, ReportTable.Percentage(row.Metrics.Auroc), ReportTable.Percentage(row.Metrics.AuprOut), ReportTable.Percentage(row.Metrics.Fpr95)]),
                    ]));
            }
        }
        else
        {
            yield return HtmlPage.Paragraph("The run was evaluated without out-of-distribution sets, so there is nothing about detection.");
        }

        yield return HtmlPage.Table(new(
            $"Classification of {Count(report.TestImages)} test images, %",
            ["reading", "ACC ↑", "many ↑", "medium ↑", "few ↑", "macro F1 ↑", "ECE ↓", "AURC ↓"],
            [
                .. (report.Model is { } model
                    ? [(model.Name, deployed)]
                    : new[] { ("deployed", deployed), ("main branch", report.Main), ("auxiliary branch", report.Auxiliary) })
                    .Select(reading => Row(reading.Item1, reading.Item2)),
            ]));

        static string Range(ShareInterval? interval) =>
            interval is null ? "-" : $"{ReportTable.Percentage(interval.Low)} to {ReportTable.Percentage(interval.High)}";

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
