using Pascl.Tests.Training.Evaluation;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Tests.Training.Reporting;

public sealed class EvaluationTableTests
{
    private const string LongName = "a set [with brackets] and a name of fifty characters";

    private readonly EvaluationReport report = EvaluationSamples.Report(
        EvaluationSamples.Set("svhn", ImageSet.NoClass, ImageSet.NoClass),
        EvaluationSamples.Set(LongName, ImageSet.NoClass, ImageSet.NoClass, ImageSet.NoClass));

    [Test]
    public void redirected_output_is_plain_text_with_one_line_per_set_and_branch()
    {
        var lines = Print(report);
        Assert.Multiple(() =>
        {
            Assert.That(lines.SelectMany(line => line), Is.All.InRange(' ', '~'));
            foreach (var name in (string[])["svhn", LongName, "average", "main", "auxiliary"])
            {
                Assert.That(lines.Count(line => line.StartsWith($"{name} ", StringComparison.Ordinal)), Is.EqualTo(1), name);
            }
        });
    }

    [Test]
    public void numbers_are_per_cent_with_two_decimals()
    {
        var average = report.Deployed.Average!;
        var row = Row("average", report);
        double[] expected = [average.Metrics.Auroc, average.Metrics.AuprOut, average.Metrics.Fpr95, average.Groups.Tail.Auroc, average.Groups.Head.Auroc];
        Assert.That(
            row.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1),
            Is.EqualTo(expected.Select(Percent)));
    }

    [Test]
    public void numbers_end_in_the_same_column()
    {
        int End(string name) => Row(name, report).TrimEnd().Length;
        Assert.Multiple(() =>
        {
            Assert.That(End("svhn"), Is.EqualTo(End(LongName)).And.EqualTo(End("average")));
            Assert.That(End("main"), Is.EqualTo(End("auxiliary")));
        });
    }

    [Test]
    public void a_number_without_meaning_is_a_dash()
    {
        var classification = report.Main.Classification with { MacroF1 = double.NaN };
        Assert.That(Row("main", report with { Main = report.Main with { Classification = classification } }).TrimEnd(), Does.EndWith(" -"));
    }

    [Test]
    public void without_out_of_distribution_sets_only_the_classes_are_shown() =>
        Assert.That(Print(EvaluationSamples.Report()), Has.None.Contains("AUROC"));

    [Test]
    public void details_show_each_metric_in_every_convention_group_confidence_and_rejected_tail_classes()
    {
        var average = report.Deployed.Average!;
        var metrics = average.Metrics;
        var rows = Print(report, withDetails: true).Select(line => line.TrimEnd()).ToArray();
        Assert.Multiple(() =>
        {
            AssertRow("average", metrics.AuprOut, metrics.AuprOutTrapezoid, metrics.AuprIn, metrics.AuprInTrapezoid);
            AssertRow(
                "average",
                metrics.Fpr95,
                metrics.Fpr95FirstReached,
                metrics.Fpr95InPositive,
                metrics.Fpr95InPositiveFirstReached,
                metrics.Fpr95InPositiveStrict);
            AssertRow("average", [.. average.CorrectClassification.Select(rate => rate.Rate)]);
            AssertRow("few-shot", average.Groups.Few.Auroc, average.Groups.Few.AuprOut, average.Groups.Few.Fpr95);
            var (reliability, risk) = (report.Deployed.Calibration, report.Deployed.Risk);
            AssertRow(
                "deployed",
                reliability.Overall.ExpectedCalibrationError,
                reliability.Many.ExpectedCalibrationError,
                reliability.Medium.ExpectedCalibrationError,
                reliability.Few.ExpectedCalibrationError,
                risk.Aurc,
                risk.ExcessAurc,
                risk.Augrc);
            Assert.That(rows.Single(row => row.StartsWith("cat ", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(
                (string[])["cat", "5", Percent(report.Deployed.TailRejections.Single().Rejection)]));
        });

        void AssertRow(string name, params double[] numbers) => Assert.That(
            rows.Select(row => string.Join(' ', row.Split(' ', StringSplitOptions.RemoveEmptyEntries))),
            Has.One.EqualTo($"{name} {string.Join(' ', numbers.Select(Percent))}"));
    }

    [Test]
    public void details_without_out_of_distribution_sets_are_those_of_the_classes()
    {
        var rows = Print(EvaluationSamples.Report(), withDetails: true);
        Assert.That(rows, Has.Some.Contains("E-AURC").And.None.Contains("FPR95").And.None.Contains("rejected"));
    }

    [Test]
    public void a_terminal_gets_bordered_tables()
    {
        using var output = new StringWriter();
        var settings = new AnsiConsoleSettings { Out = new Terminal(output), ColorSystem = ColorSystemSupport.NoColors };
        EvaluationTable.Write(AnsiConsole.Create(settings), report);
        var lines = output.ToString().Split(Environment.NewLine);
        var rows = lines.Where(line => line.Contains(" average ", StringComparison.Ordinal)).ToArray();
        TestContext.Out.WriteLine(output);
        Assert.Multiple(() =>
        {
            Assert.That(rows, Has.Length.EqualTo(1));
            Assert.That(rows, Has.All.StartsWith("\u2502").Or.All.StartsWith("|"));
        });
    }

    private static string Row(string name, EvaluationReport report) =>
        Print(report).Single(line => line.StartsWith($"{name} ", StringComparison.Ordinal));

    private static string Percent(double fraction) => FormattableString.Invariant($"{100 * fraction:F2}");

    private static string[] Print(EvaluationReport report, bool withDetails = false)
    {
        using var output = new StringWriter();
        EvaluationTable.Write(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }), report, withDetails);
        return output.ToString().Split(Environment.NewLine);
    }

    private sealed class Terminal(TextWriter writer) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => 120;

        public int Height => 40;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }
}
