using Pascl.Tests.Training.Reporting.Comparison;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>compare</c> as a user types it.</summary>
public sealed class CompareCommandTests
{
    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void runs_are_printed_side_by_side_and_written_on_request_without_libtorch()
    {
        var output = Path.Combine(parent.Path, "comparison");
        var (code, text, error) = PasclProgram.Run(
            $"compare {string.Join(' ', ReportedRuns.WriteTwoMethods(parent))} --out {output}", ("LIBTORCH_PATH", "/nowhere"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(text, Does.Contain("68.00 ± 3.61").And.Contain("+4.00 ± 1.00 [+1.52, +6.48]").And.Contain("seed by seed"));
            Assert.That(Directory.GetFiles(output).Select(Path.GetExtension), Is.EquivalentTo((string[])[".md", ".csv", ".json", ".html"]));
        });
    }

    [Test]
    public void a_run_that_was_not_evaluated_is_refused_and_says_what_to_do()
    {
        var runs = ReportedRuns.WriteTwoMethods(parent);
        File.Delete(Path.Combine(runs[1], "report.json"));
        ExpectSentence($"compare {runs[0]} {runs[1]}", runs[1], "has no report.json", "evaluate");
    }

    [Test]
    public void a_report_of_an_earlier_version_is_refused_and_says_what_to_do()
    {
        var runs = ReportedRuns.WriteTwoMethods(parent);
        parent.Write("pascl-0/report.json", "{ \"classNames\": [], \"deployed\": {} }");
        ExpectSentence($"compare {runs[0]} {runs[3]}", "layout 1", "evaluate RUN");
    }

    [Test]
    public void one_run_is_refused() => ExpectSentence($"compare {ReportedRuns.WriteTwoMethods(parent)[0]}", "at least two runs");

    [Test]
    public void what_is_no_run_is_refused()
    {
        var run = ReportedRuns.WriteTwoMethods(parent)[0];
        ExpectSentence($"compare {run} {parent.Path}", parent.Path, "no recipe.json");
        ExpectSentence($"compare {run} {parent.Path}/nowhere", "nowhere", "does not exist");
    }

    private static void ExpectSentence(string arguments, params string[] expected)
    {
        var (code, _, error) = PasclProgram.Run(arguments);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(error.Trim().Split('\n'), Has.Length.LessThanOrEqualTo(2), error);
            foreach (var part in expected)
            {
                Assert.That(error, Does.Contain(part));
            }
        });
    }
}
