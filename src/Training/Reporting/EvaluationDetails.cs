using System.Globalization;
using Pascl.Training.Evaluation;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>
/// The tables for a closer look: each metric in the conventions of other papers, detection against groups of classes, how far the model's
/// confidence can be trusted, and which tail classes it rejects. Docs: docs/evaluation.md.
/// </summary>
internal static class EvaluationDetails
{
    private const int MostTailClasses = 10;

    public static void Write(IAnsiConsole console, EvaluationReport report)
    {
        var deployed = report.Deployed;
        if (deployed.Average is { } average)
        {
            (string Name, OodResult Result)[] rows = [.. deployed.Sets.Select(set => (set.Name, set.Result)), ("average", average)];
            WritePrecision(console, rows);
            WriteFalsePositives(console, rows);
            WriteCorrectClassification(console, rows);
            WriteGroups(console, average.Groups);
        }

        WriteConfidence(console, report);
        if (deployed.TailRejections.Count > 0)
        {
            WriteTailRejections(console, deployed.TailRejections);
        }
    }

    private static void WritePrecision(IAnsiConsole console, (string Name, OodResult Result)[] rows)
    {
        var table = new ReportTable(console, "OOD set", "OOD: AP", "trapezoid", "ID: AP", "trapezoid");
        foreach (var (name, result) in rows)
        {
            var metrics = result.Metrics;
            table.AddRow(name, metrics.AuprOut, metrics.AuprOutTrapezoid, metrics.AuprIn, metrics.AuprInTrapezoid);
        }

        table.Write("AUPR with OOD or ID as the positive class, as average precision or by trapezoids, %");
    }

    private static void WriteFalsePositives(IAnsiConsole console, (string Name, OodResult Result)[] rows)
    {
        var table = new ReportTable(console, "OOD set", "OOD: nearest", "first", "ID: nearest", "first", "strict");
        foreach (var (name, result) in rows)
        {
            var metrics = result.Metrics;
            table.AddRow(
                name,
                metrics.Fpr95,
                metrics.Fpr95FirstReached,
                metrics.Fpr95InPositive,
                metrics.Fpr95InPositiveFirstReached,
                metrics.Fpr95InPositiveStrict);
        }

        table.Write("FPR95 with OOD or ID as the positive class, at the nearest or the first recall, or strictly above (SC-OOD), %");
    }

    private static void WriteCorrectClassification(IAnsiConsole console, (string Name, OodResult Result)[] rows)
    {
        var table = new ReportTable(
            console,
            "OOD set",
            [.. CorrectClassification.UsualRates.Select(rate => string.Create(CultureInfo.InvariantCulture, $"{100 * rate:0.##} %"))]);
        foreach (var (name, result) in rows)
        {
            table.AddRow(name, result.CorrectClassification.Select(rate => rate.Rate));
        }

        table.Write("Test images classified correctly and accepted where that share of OOD images is accepted too (CCR@FPR), %");
    }

    private static void WriteGroups(IAnsiConsole console, OodMetricsByGroup groups)
    {
        var table = new ReportTable(console, "test images", "AUROC", "AUPR", "FPR95");
        foreach (var (name, metrics) in new[]
        {
            ("tail classes", groups.Tail), ("head classes", groups.Head), ("many-shot", groups.Many), ("medium-shot", groups.Medium),
            ("few-shot", groups.Few),
        })
        {
            table.AddRow(name, metrics.Auroc, metrics.AuprOut, metrics.Fpr95);
        }

        table.Write("Detection against the test images of some classes only, average over the OOD sets, %");
    }

    private static void WriteConfidence(IAnsiConsole console, EvaluationReport report)
    {
        var table = new ReportTable(console, "reading", "ECE", "many", "medium", "few", "AURC", "E-AURC", "AUGRC");
        foreach (var (name, reading) in new[] { ("main", report.Main), ("auxiliary", report.Auxiliary), ("deployed", report.Deployed) })
        {
            var (reliability, risk) = (reading.Reliability, reading.Risk);
            Reliability[] groups = [reliability.Overall, reliability.Many, reliability.Medium, reliability.Few];
            table.AddRow(name, [.. groups.Select(group => group.ExpectedCalibrationError), risk.Aurc, risk.ExcessAurc, risk.Augrc]);
        }

        table.Write("Calibration error of the class probability, and risk over coverage by the score, test images, %");
    }

    private static void WriteTailRejections(IAnsiConsole console, IReadOnlyList<ClassRejection> rejections)
    {
        var table = new ReportTable(console, "tail class", "training images", "rejected");
        foreach (var rejection in rejections.Take(MostTailClasses))
        {
            var images = rejection.TrainingImages.ToString(CultureInfo.InvariantCulture);
            table.AddCells(rejection.Name, [images, ReportTable.Percentage(rejection.Rejection)]);
        }

        table.Write("Tail classes taken for OOD most, where 95 % of OOD images are found, %");
    }
}
