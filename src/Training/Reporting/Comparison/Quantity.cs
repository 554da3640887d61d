using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>One number that every compared run has.</summary>
/// <param name="Reading">Which branches it is of.</param>
/// <param name="Set">The out-of-distribution set; null for the mean over the sets, and for a number of the test images.</param>
/// <param name="Metric">Which number.</param>
public sealed record Quantity(Reading Reading, string? Set, ComparedMetric Metric)
{
    /// <summary>The number of one run, as a fraction.</summary>
    /// <param name="report">The run's report.</param>
    /// <param name="sets">The sets that the average is taken over.</param>
    public double Of(EvaluationReport report, IReadOnlyList<string> sets)
    {
        var reading = Reading switch
        {
            Reading.Main => report.Main,
            Reading.Auxiliary => report.Auxiliary,
            _ => report.Deployed,
        };
        return Metric.OfClassification is { } classification ? classification(reading.Classification)
            : Set is null ? OodMetrics.Mean(sets, OfSet)
            : OfSet(Set);

        double OfSet(string name) => Metric.OfDetection!(reading.Sets.Single(set => set.Name == name).Result);
    }
}
