using System.Text.Json;
using System.Text.Json.Nodes;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class EvaluationReportTests
{
    private readonly EvaluationReport report =
        EvaluationSamples.Report(EvaluationSamples.Set("svhn", ImageSet.NoClass, ImageSet.NoClass, 1));

    [Test]
    public void a_report_read_back_is_written_byte_for_byte_the_same()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (Path.Combine(folder.Path, "first.json"), Path.Combine(folder.Path, "second.json"));
        report.Write(first);
        EvaluationReport.Read(first).Write(second);
        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)));
    }

    [Test]
    public void numbers_are_kept_to_the_last_bit()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "report.json");
        report.Write(path);
        var read = EvaluationReport.Read(path).Deployed;
        Assert.Multiple(() =>
        {
            Assert.That(read.Average!.Metrics, Is.EqualTo(report.Deployed.Average!.Metrics));
            Assert.That(read.Classification.MacroF1, Is.EqualTo(report.Deployed.Classification.MacroF1));
            Assert.That(
                read.Average.OperatingPoints[3].RejectionPerClass,
                Is.EqualTo(report.Deployed.Average.OperatingPoints[3].RejectionPerClass));
        });
    }

    [Test]
    public void property_names_are_those_that_scripts_rely_on()
    {
        var json = Json(report);
        Assert.Multiple(() =>
        {
            Assert.That((double)json["deployed"]!["average"]!["metrics"]!["auroc"]!, Is.EqualTo(report.Deployed.Average!.Metrics.Auroc));
            Assert.That((string)json["deployed"]!["classBranch"]!, Is.EqualTo("auxiliary"));
            Assert.That((string)json["main"]!["sets"]![0]!["name"]!, Is.EqualTo("svhn"));
            Assert.That((double)json["main"]!["classification"]!["accuracy"]!["few"]!, Is.EqualTo(report.Main.Classification.Accuracy.Few));
            Assert.That((string)json["shotGroups"]![2]!, Is.EqualTo("few"));
            Assert.That((string)json["main"]!["sets"]![0]!["result"]!["operatingPoints"]![0]!["rate"]!, Is.EqualTo("falsePositive"));
        });
    }

    [Test]
    public void a_number_without_meaning_is_null_and_comes_back_as_not_a_number()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "report.json");
        var undefined = report.Main.Classification with { MacroF1 = double.NaN, PerClassAccuracy = [1, double.NaN] };
        (report with { Main = report.Main with { Classification = undefined } }).Write(path);
        var read = EvaluationReport.Read(path).Main.Classification;
        Assert.Multiple(() =>
        {
            Assert.That(JsonNode.Parse(File.ReadAllText(path))!["main"]!["classification"]!["macroF1"], Is.Null);
            Assert.That(read.MacroF1, Is.NaN);
            Assert.That(read.PerClassAccuracy, Is.EqualTo(undefined.PerClassAccuracy));
        });
    }

    [Test]
    public void every_metric_is_explained()
    {
        var json = Json(report);
        var explained = json["conventions"]!.AsObject().Select(entry => entry.Key).ToArray();
        var average = json["main"]!["average"]!.AsObject();
        var names = average["metrics"]!.AsObject()
            .Concat(average["operatingPoints"]![0]!.AsObject())
            .Concat(json["main"]!["classification"]!.AsObject())
            .Concat(json["main"]!["reliability"]!["overall"]!.AsObject())
            .Concat(json["main"]!["risk"]!.AsObject())
            .Concat(average["groups"]!.AsObject())
            .Concat(average)
            .Concat(json["main"]!.AsObject())
            .Select(entry => entry.Key)
            .Except(["rate", "level", "threshold", "scoreBranch", "classBranch", "sets"]);
        Assert.That(names.Where(name => !explained.Any(key => key.Contains(name, StringComparison.Ordinal))), Is.Empty);
    }

    [Test]
    public void a_report_replaces_an_earlier_one_and_leaves_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "report.json");
        File.WriteAllText(path, "earlier");
        report.Write(path);
        Assert.Multiple(() =>
        {
            Assert.That(EvaluationReport.Read(path).TestImages, Is.EqualTo(6));
            Assert.That(Directory.GetFiles(folder.Path), Is.EqualTo((string[])[path]));
        });
    }

    [Test]
    public void a_report_that_cannot_be_written_names_the_file()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "missing", "report.json");
        Assert.That(() => report.Write(path), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }

    [TestCase("{}")]
    [TestCase("null")]
    [TestCase("[1]")]
    [TestCase("{ \"layout\": 2, \"deployed\": {} }")]
    [TestCase("{ \"classNames\": ")]
    [TestCase("not json")]
    public void a_file_that_is_not_a_report_is_named(string content)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "report.json");
        File.WriteAllText(path, content);
        Assert.That(() => EvaluationReport.Read(path), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }

    [TestCase("{ \"deployed\": {} }", "has layout 1,")]
    [TestCase("{ \"layout\": 1, \"deployed\": {} }", "has layout 1,")]
    [TestCase("{ \"layout\": 99, \"deployed\": {} }", "has layout 99,")]
    [TestCase("{ \"layout\": \"new\", \"deployed\": {} }", "has layout \"new\",")]
    public void a_report_of_another_layout_is_refused_and_says_how_to_get_a_new_one(string content, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("report.json", content);
        Assert.That(
            () => EvaluationReport.Read(path),
            Throws.TypeOf<InputException>().With.Message.Contains($"{path} {expected}").And.Message.Contains("evaluate RUN"));
    }

    [Test]
    public void a_missing_report_is_named() =>
        Assert.That(() => EvaluationReport.Read("nowhere.json"), Throws.TypeOf<InputException>().With.Message.Contains("nowhere.json"));

    private static JsonNode Json(EvaluationReport report) => JsonNode.Parse(JsonSerializer.Serialize(report, ReportJson.Options))!;
}
