using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Spectre.Console;

namespace Pascl.Training.Reporting;

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
