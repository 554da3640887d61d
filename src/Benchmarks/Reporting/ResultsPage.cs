using System.Globalization;
using System.Text;
using Pascl.Benchmarks.Growth;

namespace Pascl.Benchmarks.Reporting;

/// <summary>RESULTS.md: what the last runs of the suites measured, with losses to a baseline called losses.</summary>
internal static class ResultsPage
{
    private static readonly (string Heading, Func<ResultRow, IReadOnlyList<ResultRow>, string> Cell)[] Columns =
    [
        ("workload", (row, _) => row.Workload),
        ("method", (row, _) => row.Method),
        ("time", (row, _) => $"{Time(row.Nanoseconds)} ± {Time(row.Deviation)}"),
        ("ratio", (row, rows) => Ratio(row, rows.FirstOrDefault(other => other.IsBaseline && other.Workload == row.Workload))),
        ("managed bytes", (row, _) => Number(row.ManagedBytes, "N0")),
        ("peak memory", (row, _) => Mebibytes(row.PeakBytes)),
        ("GPU time", (row, _) => row.DeviceNanoseconds is { } time ? Time(time) : ""),
        ("GB/s", (row, _) => Number(row.GigabytesPerSecond, "0.0##")),
        ("GFLOP/s", (row, _) => Number(row.GigaflopsPerSecond, "0.0##")),
        ("of ceiling", (row, _) => Number(row.ShareOfCeiling, "P1")),
    ];

    /// <summary>The whole page.</summary>
    public static string Of(IReadOnlyList<SuiteResult> suites, GrowthResult? growth = null)
    {
        var page = new StringBuilder(
            """
            # Benchmark results

            Written by `dotnet run -c Release --project src/Benchmarks -- report` from the last run of each suite. Ratios are to the baseline of the same suite,
            workload and run; the baseline is always the first row. GB/s and GFLOP/s count the least traffic and arithmetic that the work needs, so they are
            comparable between rows; the share is of what a copy and a matrix product reached in the same run. Managed bytes are .NET's allocations in a call. Peak
            memory is what the whole process held at most while the calls ran, beyond what it held before them: it has torch's tensors on the CPU, is counted in pages,
            and contains memory that an allocator keeps for the next call. GPU time is the median between two events of the GPU, over copies that exceed its cache.

            """);
        foreach (var suite in suites)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {suite.Suite}\n\n");
            page.Append(CultureInfo.InvariantCulture, $"{Text(suite.Origin)} ");
            page.Append(CultureInfo.InvariantCulture, $"Ceiling: {suite.Ceiling.GigabytesPerSecond:0.0} GB/s, {suite.Ceiling.GigaflopsPerSecond:0} GFLOP/s.\n\n");
            AppendTable(page, suite.Rows);
        }

        if (growth is not null)
        {
            Append(page, growth);
        }

        return page.ToString();
    }

    // Columns in which nothing was measured are left out.
    private static void AppendTable(StringBuilder page, IReadOnlyList<ResultRow> rows)
    {
        var columns = Columns.Where(column => rows.Any(row => column.Cell(row, rows).Length > 0)).ToArray();
        page.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", columns.Select(column => column.Heading))} |\n");
        page.Append(CultureInfo.InvariantCulture, $"|{string.Concat(columns.Select(_ => "---|"))}\n");
        foreach (var row in rows)
        {
            page.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", columns.Select(column => column.Cell(row, rows)))} |\n");
        }
    }

    private static void Append(StringBuilder page, GrowthResult growth)
    {
        page.Append(CultureInfo.InvariantCulture, $"\n## How cost grows\n\n{Text(growth.Origin)} ");
        page.Append("Median of five calls, fastest and slowest. The power is that of the size which the time has grown with since the row above: 1 is proportional.\n");
        foreach (var table in growth.Axes)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n**{table.Quantity}**: {table.Description}\n\n");
            page.Append(CultureInfo.InvariantCulture, $"| {table.Quantity} | time | fastest to slowest | power | peak memory |\n|---|---|---|---|---|\n");
            foreach (var (row, above) in table.Rows.Zip<GrowthRow, GrowthRow?>([null, .. table.Rows]))
            {
                page.Append(row.Note is { } note ? $"| {row.Size} | {note} | | | |\n" : string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {row.Size} | {Time(1e9 * row.Median)} | {Time(1e9 * row.Seconds[0])} to {Time(1e9 * row.Seconds[^1])} "
                        + $"| {(above is null ? "" : $"{row.ExponentSince(above):0.00}")} | {Mebibytes(row.PeakBytes)} |\n"));
            }
        }
    }

    private static string Text(RunOrigin origin) =>
        string.Create(CultureInfo.InvariantCulture, $"{origin.Date:yyyy-MM-dd}, commit {origin.Commit}. {origin.Machine}.");

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

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    private static string Mebibytes(double? bytes) =>
        bytes is { } count ? string.Create(CultureInfo.InvariantCulture, $"{count / (1 << 20):0.0} MB") : "";

    private static string Time(double nanoseconds) => nanoseconds switch
    {
        < 1e3 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds:0.0} ns"),
        < 1e6 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e3:0.0} us"),
        < 1e9 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e6:0.0} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:0.00} s"),
    };
}
