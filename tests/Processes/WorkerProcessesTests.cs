using System.Diagnostics;
using System.Xml.Linq;

namespace Pascl.Tests.Processes;

/// <summary>A whole run of tests, some of which end their process.</summary>
[Platform("Linux")]
public sealed class WorkerProcessesTests
{
    private TemporaryFolder folder = null!;
    private (int ExitCode, string Error) run;
    private Dictionary<string, (string Outcome, string Text)> results = null!;

    [OneTimeSetUp]
    public void RunTestsThatEndTheirProcess()
    {
        folder = new TemporaryFolder();
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(WorkerProcessesTests).Assembly.Location);
        }

        foreach (var argument in (string[])["--filter", $"FullyQualifiedName~{nameof(AbortingTests)}", "--report-trx", "--report-trx-filename", "run.trx", "--results-directory", folder.Path])
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment[AbortingTests.Variable] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        run = (process.ExitCode, error.Result);
        results = XDocument.Load(Path.Combine(folder.Path, "run.trx")).Descendants().Where(element => element.Name.LocalName == "UnitTestResult")
            .ToDictionary(result => (string)result.Attribute("testName")!, result => ((string)result.Attribute("outcome")!, result.Value));
    }

    [OneTimeTearDown]
    public void DeleteTheFolder() => folder?.Dispose();

    [Long]
    [Test]
    public void only_tests_that_end_their_process_fail()
    {
        Assert.That(results.Where(result => result.Value.Outcome == "Passed").Select(result => Step(result.Key)), Is.EquivalentTo(["first", "last"]));
        Assert.That(results.Where(result => result.Value.Outcome == "Failed").Select(result => Step(result.Key)), Is.EquivalentTo(["abort", "segfault", "exit"]));
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
    }

    [TestCase("abort", "SIGABRT")]
    [TestCase("segfault", "SIGSEGV")]
    [TestCase("exit", "exit code 3")]
    public void the_failure_says_what_ended_the_process_and_in_which_test(string step, string reason) =>
        Assert.That(Of(step).Text, Does.Contain($"{reason} ended the worker process in Pascl.Tests.Processes.AbortingTests.a_step(\"{step}\")"));

    [Test]
    public void the_failure_has_the_last_lines_of_the_process() => Assert.That(Of("abort").Text, Does.Contain("about to abort"));

    [Test]
    public void the_tests_after_it_run_in_a_new_process_whose_fixture_is_set_up_again()
    {
        var (first, last) = (Of("first").Text, Of("last").Text);
        Assert.That(first, Does.Contain("after 1 set-ups"));
        Assert.That(last, Does.Contain("after 1 set-ups"));
        Assert.That(Process(last), Is.Not.EqualTo(Process(first)));

        static string Process(string output) => output.Split("of process ")[1].Split(' ')[0];
    }

    private static string Step(string name) => name.Split('"')[1];

    private (string Outcome, string Text) Of(string step) => results.Single(result => Step(result.Key) == step).Value;
}
