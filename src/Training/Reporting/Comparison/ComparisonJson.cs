using System.Text.Json;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as JSON: fractions, null where a number is not defined.</summary>
internal static class ComparisonJson
{
    public static string Write(RunComparison comparison) => JsonSerializer.Serialize(
        new
        {
            Statistics =
                "standardDeviation divides by n - 1; confidenceInterval is that of the mean at 95 % by Student's t. Intervals of several numbers " +
                "or pairs are not corrected for their number.",
            comparison.Notes,
            comparison.Sets,
            Methods = comparison.Methods.Select(method => new
            {
                method.Name,
                method.Seeds,
                Runs = method.Runs.Select(run => run.Folder),
                // A method can bring its own score, so what the numbers mean is said for each.
                method.Runs[0].Report.Conventions,
                Results = comparison.Quantities.Select(quantity => Result(quantity, comparison.Of(method, quantity))),
            }),
            Differences = comparison.Differences.Select(pair => new
            {
                pair.Method,
                pair.Baseline,
                pair.Seeds,
                Results = pair.Differences.Select(difference => Result(difference.Key, difference.Value)),
            }),
        },
        ReportJson.Options);

    private static object Result(Quantity quantity, Summary summary) => new
    {
        quantity.Reading,
        Set = quantity.Metric.OfDetection is null ? null : quantity.Set ?? "average",
        Metric = quantity.Metric.Key,
        quantity.Metric.HigherIsBetter,
        N = summary.Count,
        summary.Mean,
        summary.StandardDeviation,
        ConfidenceInterval = new[] { summary.Mean - summary.ConfidenceReach, summary.Mean + summary.ConfidenceReach },
        summary.Values,
    };
}
