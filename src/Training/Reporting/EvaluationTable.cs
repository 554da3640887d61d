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
            WriteDetection(console, report, average);
        }

        WriteClassification(console, report);
        if (withDetails)
        {
            EvaluationDetails.Write(console, report);
        }
    }

    private static void WriteDetection(IAnsiConsole console, EvaluationReport report, OodResult average)
    {
        var table = new ReportTable(console, "OOD set", "images", "AUROC", "AUPR", "FPR95", "AUROC tail", "AUROC head");
        foreach (var set in report.Deployed.Sets)
        {
            table.AddCells(set.Name, [set.OutOfDistributionImages.ToString(CultureInfo.InvariantCulture), .. Percentages(set.Result)]);
        }

        table.AddGap().AddCells("average", ["", .. Percentages(average)]).Write(
            $"Out-of-distribution detection by the {Name(report.Deployed.ScoreBranch)} branch (score {report.Score}), %");
    }

    private static void WriteClassification(IAnsiConsole console, EvaluationReport report)
    {
        var table = new ReportTable(console, "branch", "ACC", "many", "medium", "few", "macro F1");
        foreach (var reading in (ReadingReport[])[report.Main, report.Auxiliary])
        {
            var (accuracy, macroF1) = (reading.Classification.Accuracy, reading.Classification.MacroF1);
            table.AddRow(Name(reading.ClassBranch), accuracy.Overall, accuracy.Many, accuracy.Medium, accuracy.Few, macroF1);
        }

        table.Write($"Classification of the {report.TestImages} test images, %");
    }

    private static string Name(Branch branch) => branch == Branch.Main ? "main" : "auxiliary";

    private static IEnumerable<string> Percentages(OodResult result) =>
        new[] { result.Metrics.Auroc, result.Metrics.AuprOut, result.Metrics.Fpr95, result.Groups.Tail.Auroc, result.Groups.Head.Auroc }
            .Select(ReportTable.Percentage);
}
