using System.Globalization;
using System.Text;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;

namespace Pascl.Training.Reporting;

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
