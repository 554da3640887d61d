using System.Globalization;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as tables, in per cent.</summary>
internal static class ComparisonTables
{
    public static string Describe(Reading reading) => reading switch
    {
        Reading.Main => "main branch alone",
        Reading.Auxiliary => "auxiliary branch alone",
        _ => "as deployed (score of the main branch, class of the auxiliary branch)",
    };

    /// <summary>A row for each method, detection averaged over the sets.</summary>
    public static TextTable Average(RunComparison comparison, Reading reading) => new(
        $"Methods, {Describe(reading)}, {Scope(comparison)}%: mean ± standard deviation over seeds",
        ["method", "seeds", .. comparison.Metrics.Select(metric => metric.Title)],
        [
            .. comparison.Methods.Select(method => (string[])
            [
                method.Name,
                $"{method.Runs.Count}",
                .. comparison.Metrics.Select(metric => Spread(comparison.Of(method, new(reading, null, metric)))),
            ]),
        ]);

    /// <summary>A row for each out-of-distribution set and method, then for the average of each group.</summary>
    public static TextTable PerSet(RunComparison comparison, Reading reading)
    {
        ComparedMetric[] metrics = [.. comparison.Metrics.Where(metric => metric.OfDetection is not null)];
        return new(
            $"Out-of-distribution sets, {Describe(reading)}, %: mean ± standard deviation over seeds",
            ["OOD set", "method", "seeds", .. metrics.Select(metric => metric.Title)],
            [
                .. SetsAndGroups(comparison).SelectMany(set => comparison.Methods.Select(method => (string[])
                [
                    set,
                    method.Name,
                    $"{method.Runs.Count}",
                    .. metrics.Select(metric => Spread(comparison.Of(method, new(reading, set, metric)))),
                ])),
            ]);
    }

    /// <summary>One number of detection as deployed: a row for each out-of-distribution set, for the average of each group and for that of all, a column for each method.</summary>
    public static TextTable Detection(RunComparison comparison, ComparedMetric metric) => new(
        $"{metric.Title} as deployed, %: mean ± standard deviation over seeds",
        ["OOD set", .. comparison.Methods.Select(WithCount)],
        [
            .. SetsAndGroups(comparison).Append(null).Select(set => (string[])
            [
                set ?? "average", .. comparison.Methods.Select(method => Spread(comparison.Of(method, new(Reading.Deployed, set, metric)))),
            ]),
        ]);

    /// <summary>The accuracies as deployed, a column for each method.</summary>
    public static TextTable Accuracies(RunComparison comparison) => new(
        "Accuracy as deployed, %: mean ± standard deviation over seeds",
        ["test images", .. comparison.Methods.Select(WithCount)],
        [
            .. comparison.Metrics.Where(metric => metric.OfClassification is not null).Select(metric => (string[])
            [
                metric.Title, .. comparison.Methods.Select(method => Spread(comparison.Of(method, new(Reading.Deployed, null, metric)))),
            ]),
        ]);

    /// <summary>A row for each pair of methods with common seeds.</summary>
    public static TextTable Differences(RunComparison comparison, Reading reading) => new(
        $"Differences seed by seed, {Describe(reading)}, {Scope(comparison)}points: " +
        "mean ± standard deviation [95 % confidence interval by Student's t]",
        ["method less baseline", "n", .. comparison.Metrics.Select(metric => metric.Title)],
        [
            .. comparison.Differences.Select(pair => (string[])
            [
                $"{pair.Method} - {pair.Baseline}",
                $"{pair.Seeds.Count}",
                .. comparison.Metrics.Select(metric => Interval(pair.Differences[new(reading, null, metric)])),
            ]),
        ]);

    /// <summary>A row for each pair of methods whose runs have scores of their images: the differences drawn again over images and seeds.</summary>
    public static TextTable Significance(RunComparison comparison) => new(
        $"Differences drawn again over images and seeds, {Describe(Reading.Deployed)}, {Scope(comparison)}points: difference [95 % interval of the paired bootstrap] p",
        ["method less baseline", "n seeds", "n images", .. comparison.Metrics.Select(metric => metric.Title)],
        [
            .. comparison.Differences.Where(pair => pair.Bootstrap is not null).Select(pair => (string[])
            [
                $"{pair.Method} - {pair.Baseline}",
                $"{pair.Seeds.Count}",
                pair.Bootstrap!.Images.ToString("N0", CultureInfo.InvariantCulture),
                .. comparison.Metrics.Select(metric => new Quantity(Reading.Deployed, null, metric)).Select(quantity =>
                    Drawn(pair.Differences[quantity].Mean, pair.Bootstrap.Intervals[quantity])),
            ]),
        ]);

    /// <summary>Every table that is not empty.</summary>
    public static IEnumerable<TextTable> All(RunComparison comparison) =>
        new Func<RunComparison, Reading, TextTable>[] { Average, Differences, PerSet }
            .SelectMany(table => Enum.GetValues<Reading>().Select(reading => table(comparison, reading)))
            .Append(Significance(comparison))
            .Where(table => table.Rows.Count > 0);

    /// <summary>The tables for a first look.</summary>
    public static IEnumerable<TextTable> Short(RunComparison comparison) => Enum.GetValues<Reading>()
        .Select(reading => Average(comparison, reading))
        .Append(Differences(comparison, Reading.Deployed))
        .Append(Significance(comparison))
        .Append(PerSet(comparison, Reading.Deployed))
        .Where(table => table.Rows.Count > 0);

    /// <summary>A fraction in per cent.</summary>
    public static string Percent(double fraction, bool signed = false) =>
        (100 * fraction).ToString(signed ? "+0.00;-0.00;0.00" : "0.00", CultureInfo.InvariantCulture);

    /// <summary>The sets, then the groups, by name.</summary>
    public static IEnumerable<string> SetsAndGroups(RunComparison comparison) => comparison.Sets.Concat(comparison.Groups.Select(group => group.Name));

    private static string Scope(RunComparison comparison) =>
        comparison.Sets.Count == 0 ? "" : $"average over {string.Join(", ", comparison.Sets)}, ";

    private static string WithCount(ComparedMethod method) => $"{method.Name} (n = {method.Runs.Count})";

    private static string Drawn(double difference, BootstrapInterval interval) => double.IsNaN(difference) || double.IsNaN(interval.Low) ? "-"
        : $"{Percent(difference, signed: true)} [{Percent(interval.Low, signed: true)}, {Percent(interval.High, signed: true)}] "
          + (interval.Probability < 0.001 ? "p < 0.001" : string.Create(CultureInfo.InvariantCulture, $"p {interval.Probability:0.000}"));

    private static string Spread(Summary summary) => double.IsNaN(summary.Mean) ? "-"
        : summary.Count == 1 ? Percent(summary.Mean)
        : $"{Percent(summary.Mean)} ± {Percent(summary.StandardDeviation)}";

    private static string Interval(Summary summary) => double.IsNaN(summary.Mean) ? "-"
        : summary.Count == 1 ? Percent(summary.Mean, signed: true)
        : $"{Percent(summary.Mean, signed: true)} ± {Percent(summary.StandardDeviation)} " +
          $"[{Percent(summary.Mean - summary.ConfidenceReach, signed: true)}, {Percent(summary.Mean + summary.ConfidenceReach, signed: true)}]";
}
