using System.Globalization;
using System.Text;

namespace Pascl.Benchmarks.Reporting;

/// <summary>RESULTS.md: what the last runs of the suites measured, with losses to a baseline called losses.</summary>
internal static class ResultsPage
{
    /// <summary>The whole page.</summary>
    public static string Of(IReadOnlyList<SuiteResult> suites)
    {
        var page = new StringBuilder(
            """
            # Benchmark results

            Written by `dotnet run -c Release --project src/Benchmarks -- report` from the last run of each suite. Ratios are to the baseline of the same suite,
            workload and run; the baseline is always the first row. GB/s and GFLOP/s count the least traffic and arithmetic that the work needs, so they are
            comparable between rows; the share is of what a copy and a matrix product reached in the same run. Native memory is not in the tables: nothing here
            measures it.

            """);
        foreach (var suite in suites)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {suite.Suite}\n\n");
            page.Append(CultureInfo.InvariantCulture, $"{suite.Date:yyyy-MM-dd}, commit {suite.Commit}. {suite.Machine}. ");
            page.Append(CultureInfo.InvariantCulture, $"Ceiling: {suite.Ceiling.GigabytesPerSecond:0.0} GB/s, {suite.Ceiling.GigaflopsPerSecond:0} GFLOP/s.\n\n");
            page.Append("| workload | method | time | ratio | managed bytes | GB/s | GFLOP/s | of ceiling |\n|---|---|---|---|---|---|---|---|\n");
            foreach (var row in suite.Rows)
            {
                var baseline = suite.Rows.FirstOrDefault(other => other.IsBaseline && other.Workload == row.Workload);
                page.Append(CultureInfo.InvariantCulture, $"| {row.Workload} | {row.Method} ");
                page.Append(CultureInfo.InvariantCulture, $"| {Time(row.Nanoseconds)} ± {Time(row.Deviation)} | {Ratio(row, baseline)} ");
                page.Append(CultureInfo.InvariantCulture, $"| {row.ManagedBytes:N0} | {row.GigabytesPerSecond:0.0##} ");
                page.Append(CultureInfo.InvariantCulture, $"| {row.GigaflopsPerSecond:0.0##} | {row.ShareOfCeiling:P1} |\n");
            }
        }

        return page.ToString();
    }

    /// <summary>How a row compares with its baseline, in words.</summary>
    public static string Ratio(ResultRow row, ResultRow? baseline)
    {
        if (row.IsBaseline || baseline is null)
        {
            return row.IsBaseline ? "baseline" : "";
        }

        var ratio = baseline.Nanoseconds / row.Nanoseconds;
        return ratio >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00}x as fast")
            : string.Create(CultureInfo.InvariantCulture, $"**a loss: {1 / ratio:0.00}x as long**");
    }

    private static string Time(double nanoseconds) => nanoseconds switch
    {
        < 1e3 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds:0.0} ns"),
        < 1e6 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e3:0.0} us"),
        < 1e9 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e6:0.0} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:0.00} s"),
    };
}
