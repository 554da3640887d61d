using System.Globalization;
using System.Text;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>
/// The tables that end a run: detection per out-of-distribution set, and classification by both branches, in per cent.
/// </summary>
internal static class EvaluationTable
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

        table.AddGap();
        foreach (var group in report.Deployed.Groups)
        {
            table.AddCells(GroupText.Mean(group.Group, group.Sets), ["", .. Percentages(group.Result)]);
        }

        table.AddCells("average", ["", .. Percentages(average)]).Write(
            $"Out-of-distribution detection{(report.Model is null ? $" by the {Name(report.Deployed.ScoreBranch)} branch" : "")} (score {report.Score}), %");
        if (report.Deployed.FullSpectrum is { } spectrum)
        {
            WriteFullSpectrum(console, report, spectrum);
        }
    }

    private static void WriteFullSpectrum(IAnsiConsole console, EvaluationReport report, DetectionBySet spectrum)
    {
        var table = new ReportTable(console, "OOD set", "AUROC", "AUPR", "FPR95");
        foreach (var (name, metrics) in GroupText.Rows(spectrum))
        {
            table.AddRow(name, metrics.Auroc, metrics.AuprOut, metrics.Fpr95);
        }

        table.Write($"Full spectrum: test images and {string.Join(", ", report.Deployed.ShiftedSets.Select(set => set.Name))} together as in-distribution, %");
    }

    private static void WriteClassification(IAnsiConsole console, EvaluationReport report)
    {
        var table = new ReportTable(console, report.Model is null ? "branch" : "model", "ACC", "many", "medium", "few", "macro F1");
        foreach (var reading in (ReadingReport[])(report.Model is null ? [report.Main, report.Auxiliary] : [report.Deployed]))
        {
            Add(report.Model?.Name ?? Name(reading.ClassBranch), reading.Classification);
            foreach (var set in reading.ShiftedSets)
            {
                Add($"  on {set.Name}", set.Classification);
            }
        }

        table.Write($"Classification of the {report.TestImages} test images, %");

        void Add(string name, LongTailMetrics metrics) =>
            table.AddRow(name, metrics.Accuracy.Overall, metrics.Accuracy.Many, metrics.Accuracy.Medium, metrics.Accuracy.Few, metrics.MacroF1);
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
            (string Name, OodResult Result)[] rows =
            [
                .. deployed.Sets.Select(set => (set.Name, set.Result)),
                .. deployed.Groups.Select(group => (GroupText.Mean(group.Group, group.Sets), group.Result)),
                ("average", average),
            ];
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
        foreach (var (name, reading) in report.Model is { } model
            ? [(model.Name, report.Deployed)]
            : new[] { ("main", report.Main), ("auxiliary", report.Auxiliary), ("deployed", report.Deployed) })
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

/// <summary>
/// Results as OpenOOD v1.5 writes them (<c>ood.csv</c> of its evaluator, <c>openood/evaluators/ood_evaluator.py</c>): a row for every set and for the mean of each group, in per
/// cent with two decimals. FPR@95 is at the first recall of at least 0.95 with out-of-distribution positive, AUPR by trapezoids.
/// </summary>
internal static class OpenOodCsv
{
    private const string Header = "dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC";

    /// <summary>The files beside one of that name: the report's own score, the full spectrum of it, and the same of every compared score.</summary>
    /// <param name="path">The file for the report's own score; without a report for the first score.</param>
    /// <param name="report">The report; null where images are not classified.</param>
    /// <param name="scores">The compared scores; null for none.</param>
    public static IReadOnlyList<(string Path, string Text)> Files(string path, EvaluationReport? report, ScoreReport? scores)
    {
        var files = new List<(string Path, string Text)>();
        var accuracy = report?.Deployed.Classification.Accuracy.Overall ?? double.NaN;
        var spectrumAccuracy = report?.Deployed.FullSpectrumAccuracy ?? double.NaN;
        if (report is not null)
        {
            files.Add((path, Text(
                report.Deployed.Sets.Select(set => (set.Name, set.Group, set.Result.Metrics)), [.. report.Deployed.Groups.Select(group => (group.Group, group.Result.Metrics))],
                report.Deployed.Average?.Metrics, accuracy)));
            AddSpectrum("", report.Deployed.FullSpectrum);
        }

        foreach (var score in scores?.Scores ?? [])
        {
            var name = Suffix(score.Name);
            files.Add((Beside(path, name), Text(
                score.Sets.Select(set => (set.Name, set.Group, set.Metrics)), [.. score.Groups.Select(group => (group.Group, group.Metrics))], score.Average, accuracy)));
            AddSpectrum(name, score.FullSpectrum);
        }

        return files;

        void AddSpectrum(string name, DetectionBySet? spectrum)
        {
            if (spectrum is not null)
            {
                files.Add((Beside(path, $"{name}-fsood"), Text(
                    spectrum.Sets.Select(set => (set.Name, set.Group, set.Metrics)), [.. spectrum.Groups.Select(group => (group.Group, group.Metrics))],
                    spectrum.Average, spectrumAccuracy)));
            }
        }
    }

    private static string Suffix(string score) => "-" + string.Concat(score.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '.' ? letter : '_'));

    private static string Beside(string path, string suffix) =>
        Path.Combine(Path.GetDirectoryName(path) ?? "", $"{Path.GetFileNameWithoutExtension(path)}{suffix}{Path.GetExtension(path)}");

    private static string Text(
        IEnumerable<(string Name, SetGroup? Group, OodMetrics Metrics)> sets, IReadOnlyList<(SetGroup Group, OodMetrics Metrics)> groups, OodMetrics? average, double accuracy)
    {
        var text = new StringBuilder(Header).Append('\n');
        var byGroup = sets.ToLookup(set => set.Group);
        foreach (var (group, mean) in groups)
        {
            Add(byGroup[group]);
            Append($"{GroupText.Of(group)}ood", mean);
        }

        Add(byGroup[null]);
        if (average is not null && byGroup.Contains(null))
        {
            Append("mean", average);
        }

        return text.ToString();

        void Add(IEnumerable<(string Name, SetGroup? Group, OodMetrics Metrics)> members)
        {
            foreach (var (name, _, metrics) in members)
            {
                Append(name, metrics);
            }
        }

        void Append(string name, OodMetrics metrics) => text.Append(Quoted(name)).Append(',').AppendJoin(
            ',',
            new[] { metrics.Fpr95FirstReached, metrics.Auroc, metrics.AuprInTrapezoid, metrics.AuprOutTrapezoid, accuracy }
                .Select(share => double.IsNaN(share) ? "" : (100 * share).ToString("F2", CultureInfo.InvariantCulture))).Append('\n');
    }

    private static string Quoted(string field) => field.AsSpan().ContainsAny(",\"\r\n") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
}
