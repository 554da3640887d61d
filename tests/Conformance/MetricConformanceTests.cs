using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Conformance;

/// <summary>The metrics of reports on the published cases, by what the reports are made with.</summary>
public sealed class MetricConformanceTests
{
    private const string Family = "metrics";

    private static readonly Dictionary<string, Func<ConformanceCase, object>> quantities = new()
    {
        ["detection"] = @case => OodMetrics.Compute(@case.Numbers("out"), @case.Numbers("in")),
        ["detection by group"] = @case => Outcome(@case, @case.Integers("labels")).Detect(@case.Numbers("out"), []).Groups,
        ["operating points"] = OperatingPoints,
        ["correct classification"] = CorrectClassifications,
        ["classification"] = Classification,
        ["calibration"] = @case => Calibration.Compute(@case.Numbers("probabilities"), @case.Flags("errors")),
        ["selective risk"] = Risk,
        ["share interval"] = @case => ShareInterval.Of((int)@case.Parameter("hits"), (int)@case.Parameter("count")),
        ["future share"] = @case => ShareInterval.OfFuture((int)@case.Parameter("hits"), (int)@case.Parameter("count")),
        ["threshold"] = Threshold,
    };

    private static IEnumerable<TestCaseData> Cases => ConformanceFile.Tests(Family);

    [TestCaseSource(nameof(Cases))]
    public void a_metric_has_the_values_of_the_definition(object published)
    {
        var @case = (ConformanceCase)published;
        @case.Check(quantities[@case.Quantity](@case));
    }

    [Test]
    public void every_metric_has_a_case() =>
        Assert.That(ConformanceFile.Read(Family).Cases.Select(@case => @case.Quantity).Distinct(), Is.EquivalentTo(quantities.Keys));

    [Test]
    public void every_number_of_detection_is_one_of_a_case()
    {
        // Counts and curves aside, what a report says of a set is what the cases say.
        string[] known = ["metrics", "groups", "operatingPoints", "correctClassification", "risk"];
        Assert.That(typeof(OodResult).GetProperties().Where(property => property.Name != "EqualityContract").Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)), Is.EquivalentTo(known));
    }

    private static Dictionary<string, JsonNode> OperatingPoints(ConformanceCase @case)
    {
        var curve = RocCurve.From(@case.Numbers("out"), @case.Numbers("in"));
        return OperatingPoint.Compute(curve, @case.Numbers("in"), @case.Integers("labels"), @case.Integers("predictions"), Groups(@case)).ToDictionary(
            point => string.Create(CultureInfo.InvariantCulture, $"{JsonNamingPolicy.CamelCase.ConvertName($"{point.Rate}")} {point.Level}"),
            point =>
            {
                var values = JsonSerializer.SerializeToNode(point, ReportJson.Options)!.AsObject();
                values.Remove("rate");
                values.Remove("level");
                return (JsonNode)values;
            });
    }

    private static Dictionary<string, double> CorrectClassifications(ConformanceCase @case)
    {
        var curve = RocCurve.From(@case.Numbers("out"), @case.Numbers("in"));
        return CorrectClassification.UsualRates.ToDictionary(
            rate => rate.ToString(CultureInfo.InvariantCulture), rate => CorrectClassification.At(rate, curve, @case.Numbers("in"), @case.Flags("errors")).Rate);
    }

    private static object Classification(ConformanceCase @case)
    {
        var (metrics, groups) = (LongTailMetrics.Compute(@case.Integers("labels"), @case.Integers("predictions"), Groups(@case)), Groups(@case));
        return new
        {
            metrics.Accuracy,
            metrics.PerClassAccuracy,
            metrics.MacroF1,
            Confusion = Outcome(@case, @case.Integers("predictions")).Confusion(),
            ShotGroups = Enumerable.Range(0, groups.ClassCount).Select(label => (int)groups[label]).ToArray(),
        };
    }

    private static object Risk(ConformanceCase @case)
    {
        var risk = RiskCoverage.From(@case.Numbers("scores"), @case.Flags("errors"));
        var (areas, curve) = (risk.Areas(), risk.Curve());
        return new { areas.Aurc, areas.ExcessAurc, areas.Augrc, curve.Coverage, curve.Risk };
    }

    private static object Threshold(ConformanceCase @case)
    {
        var scores = @case.Numbers("scores");
        var threshold = AcceptanceThreshold.Of(scores, @case.Parameter("share"));
        return new { Threshold = threshold, AcceptanceRow.Of("set", true, scores, threshold).Accepted };
    }

    private static ShotGroups Groups(ConformanceCase @case) =>
        ShotGroups.From(@case.Integers("counts"), @case.Parameters["rule"].GetString() == "rank" ? ShotRule.Rank : ShotRule.Count);

    private static TestOutcome Outcome(ConformanceCase @case, int[] predictions)
    {
        var labels = @case.Integers("labels");
        var classes = @case.Integers("counts").Length;
        var images = new ImageSet("test", new PixelBlock(labels.Length, 1, 1), labels, [.. Enumerable.Range(0, classes).Select(label => $"class {label}")]);
        var tail = @case.Has("tail") ? @case.Integers("tail") : [];
        var scores = @case.Has("in") ? @case.Numbers("in") : new double[labels.Length];
        return new TestOutcome(new ScoredImages(images, scores, predictions), Groups(@case), [.. Enumerable.Range(0, classes).Select(tail.Contains)]);
    }
}
