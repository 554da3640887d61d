using System.Globalization;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
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
            var (calibration, risk) = (reading.Calibration, reading.Risk);
            Calibration[] groups = [calibration.Overall, calibration.Many, calibration.Medium, calibration.Few];
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

/// <summary>
/// The files that an evaluation leaves. In a run folder they are <c>report.json</c>, <c>figures.json</c>, <c>worst.png</c>,
/// <c>scores.json</c> and <c>report.html</c>; beside a report of another name they begin with that name.
/// </summary>
/// <param name="Report">Every number.</param>
public sealed record EvaluationFiles(string Report)
{
    private const string UsualName = "report";

    /// <summary>What the figures are drawn from.</summary>
    public string Figures => Beside("figures.json");

    /// <summary>The images that the evaluation got most wrong, as a picture.</summary>
    public string Worst => Beside("worst.png");

    /// <summary>The score and the class of every image.</summary>
    public string Images => Beside("images.json");

    /// <summary>The comparison of scores, where one was asked for.</summary>
    public string Scores => Beside("scores.json");

    /// <summary>The page for people.</summary>
    public string Page => Path.Combine(Folder, $"{Name}.html");

    private string Folder => Path.GetDirectoryName(Report) ?? "";

    private string Name => Path.GetFileNameWithoutExtension(Report);

    private string Beside(string name) => Path.Combine(Folder, Path.GetFileName(Report) == $"{UsualName}.json" ? name : $"{Name}-{name}");
}

/// <summary>The tables of a comparison of scores: score by out-of-distribution set and their average, for each of three metrics, in per cent.</summary>
public static class ScoreTable
{
    private const string Average = "average";

    /// <summary>Prints the tables.</summary>
    public static void Write(IAnsiConsole console, ScoreReport report)
    {
        string[] columns = [.. report.Scores[0].Sets.Select(set => set.Name), Average];
        ReportTable.WidenFor(console, report.Scores.Select(score => score.Name), columns);
        Write("AUROC", metrics => metrics.Auroc);
        Write("AUPR", metrics => metrics.AuprOut);
        Write("FPR95", metrics => metrics.Fpr95);

        void Write(string metric, Func<OodMetrics, double> number)
        {
            var table = new ReportTable(console, "score", columns);
            foreach (var score in report.Scores)
            {
                var average = score.Average is { } mean ? number(mean) : double.NaN;
                table.AddRow(score.Name, [.. score.Sets.Select(set => number(set.Metrics)), average]);
            }

            table.Write($"{metric} of each score of the main branch, out-of-distribution positive, %");
        }
    }
}
