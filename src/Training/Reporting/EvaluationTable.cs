using System.Globalization;
using Pascl.Training.Evaluation;
using Pascl.Training.Model;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>
/// The tables that end a run: detection per out-of-distribution set, and classification by both branches, in per cent.
/// </summary>
public static class EvaluationTable
{
    /// <summary>Prints the tables.</summary>
    /// <param name="console">Where to.</param>
    /// <param name="report">What was found.</param>
    /// <param name="withDetails">Whether the other conventions, shot groups, confidence and rejected tail classes are printed too.</param>
    public static void Write(IAnsiConsole console, EvaluationReport report, bool withDetails = false)
    {
        ReportTable.WidenFor(console, [.. report.Deployed.Sets.Select(set => set.Name), .. withDetails ? report.ClassNames : []]);
        if (report.Deployed.Average is { } average)
        {
            WriteDetection(console, report.Deployed.Sets, average);
        }

        WriteClassification(console, report);
        if (withDetails)
        {
            EvaluationDetails.Write(console, report);
        }
    }

    private static void WriteDetection(IAnsiConsole console, IReadOnlyList<OodSetReport> sets, OodResult average)
    {
        var table = new ReportTable(console, "OOD set", "images", "AUROC", "AUPR", "FPR95", "AUROC tail", "AUROC head");
        foreach (var set in sets)
        {
            table.AddCells(set.Name, [set.OutOfDistributionImages.ToString(CultureInfo.InvariantCulture), .. Percentages(set.Result)]);
        }

        table.AddGap().AddCells("average", ["", .. Percentages(average)]).Write("Out-of-distribution detection by the main branch, %");
    }

    private static void WriteClassification(IAnsiConsole console, EvaluationReport report)
    {
        var table = new ReportTable(console, "branch", "ACC", "many", "medium", "few", "macro F1");
        foreach (var reading in (ReadingReport[])[report.Main, report.Auxiliary])
        {
            var (accuracy, macroF1) = (reading.Classification.Accuracy, reading.Classification.MacroF1);
            var name = reading.ClassBranch == Branch.Main ? "main" : "auxiliary";
            table.AddRow(name, accuracy.Overall, accuracy.Many, accuracy.Medium, accuracy.Few, macroF1);
        }

        table.Write($"Classification of the {report.TestImages} test images, %");
    }

    private static IEnumerable<string> Percentages(OodResult result) =>
        new[] { result.Metrics.Auroc, result.Metrics.AuprOut, result.Metrics.Fpr95, result.Groups.Tail.Auroc, result.Groups.Head.Auroc }
            .Select(ReportTable.Percentage);
}
