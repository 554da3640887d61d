using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>The tables of a comparison of scores: score by out-of-distribution set and their average, for each of three metrics, in per cent.</summary>
internal static class ScoreTable
{
    private const string Average = "average";

    /// <summary>Prints the tables.</summary>
    public static void Write(IAnsiConsole console, ScoreReport report)
    {
        string[] columns = [.. report.Scores[0].Sets.Select(set => set.Name), .. report.Scores[0].Groups.Select(group => GroupText.Of(group.Group)), Average];
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
                table.AddRow(score.Name, [.. score.Sets.Select(set => number(set.Metrics)), .. score.Groups.Select(group => number(group.Metrics)), average]);
            }

            table.Write($"{metric} of each score{(report.IsOfBranch ? " of the main branch" : "")}, out-of-distribution positive, %");
        }
    }
}

/// <summary>Groups of sets in words.</summary>
internal static class GroupText
{
    /// <summary>The group.</summary>
    public static string Of(SetGroup group) => group switch { SetGroup.Near => "near", SetGroup.Far => "far", _ => "shift" };

    /// <summary>The mean over the sets of a group.</summary>
    public static string Mean(SetGroup group, IReadOnlyList<string> sets) => $"{Of(group)}, mean of {sets.Count}";

    /// <summary>Every row of a table of detection: sets, groups, average.</summary>
    public static IEnumerable<(string Name, OodMetrics Metrics)> Rows(DetectionBySet detection) =>
    [
        .. detection.Sets.Select(set => (set.Name, set.Metrics)),
        .. detection.Groups.Select(group => (Mean(group.Group, group.Sets), group.Metrics)),
        .. detection.Average is { } average ? [("average", average)] : Array.Empty<(string, OodMetrics)>(),
    ];
}
