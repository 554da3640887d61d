using Pascl.Tests.Training.Evaluation;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Tests.Training.Reporting;

public sealed class EvaluationTableTests
{
    private readonly EvaluationReport report = EvaluationSamples.Report(
        EvaluationSamples.Set("svhn", ImageSet.NoClass, ImageSet.NoClass),
        EvaluationSamples.Set("a set [with brackets] and a name of fifty characters", ImageSet.NoClass, ImageSet.NoClass, ImageSet.NoClass));

    [Test]
    public void redirected_output_is_plain_text_with_one_line_per_set_and_branch()
    {
        var lines = Print(report);
        TestContext.Out.WriteLine(string.Join('\n', lines));
        Assert.Multiple(() =>
        {
            Assert.That(lines.SelectMany(line => line), Is.All.InRange(' ', '~'));
            Assert.That(lines.Count(line => line.TrimStart().StartsWith("svhn ", StringComparison.Ordinal)), Is.EqualTo(1));
            Assert.That(lines.Count(line => line.Contains("a set [with brackets] and a name of fifty characters", StringComparison.Ordinal)), Is.EqualTo(1));
            Assert.That(lines.Count(line => line.TrimStart().StartsWith("average ", StringComparison.Ordinal)), Is.EqualTo(1));
            Assert.That(lines.Count(line => line.TrimStart().StartsWith("auxiliary ", StringComparison.Ordinal)), Is.EqualTo(1));
        });
    }

    [Test]
    public void numbers_are_per_cent_with_two_decimals()
    {
        var average = report.Deployed.Average!;
        var row = Print(report).Single(line => line.TrimStart().StartsWith("average ", StringComparison.Ordinal));
        double[] expected = [average.Metrics.Auroc, average.Metrics.AuprOut, average.Metrics.Fpr95, average.TailAuroc, average.HeadAuroc];
        Assert.That(
            row.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1),
            Is.EqualTo(expected.Select(fraction => FormattableString.Invariant($"{100 * fraction:F2}"))));
    }

    [Test]
    public void numbers_end_in_the_same_column()
    {
        var ends = Print(report).Where(line => line.Contains('.', StringComparison.Ordinal)).Select(line => line.TrimEnd().Length).ToArray();
        Assert.That(ends.Take(3).Distinct().Count() + ends.Skip(3).Distinct().Count(), Is.EqualTo(2));
    }

    [Test]
    public void a_number_without_meaning_is_a_dash()
    {
        var undefined = report with { Main = report.Main with { Classification = report.Main.Classification with { MacroF1 = double.NaN } } };
        Assert.That(Print(undefined).Single(line => line.TrimStart().StartsWith("main ", StringComparison.Ordinal)).TrimEnd(), Does.EndWith(" -"));
    }

    [Test]
    public void without_out_of_distribution_sets_only_the_classes_are_shown() =>
        Assert.That(Print(EvaluationSamples.Report()), Has.None.Contains("AUROC"));

    private static string[] Print(EvaluationReport report)
    {
        using var output = new StringWriter();
        EvaluationTable.Write(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }), report);
        return output.ToString().Split(Environment.NewLine);
    }
}
