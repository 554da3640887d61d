using System.ComponentModel;
using System.Diagnostics;

namespace Pascl.Tests.Conformance;

/// <summary>The script that recomputes the published values without any of this program's code.</summary>
[Platform("Linux")]
public sealed class ConformanceScriptTests
{
    [Test]
    public void the_script_agrees_with_every_expected_value()
    {
        var (code, output) = Check(FindPython(), ConformanceFile.Folder);
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.EndWith(" cases, 0 deviate\n"));
        Assert.That(output.Split('\n').Count(line => line.StartsWith("ok ", StringComparison.Ordinal)), Is.GreaterThan(200));
    }

    [Long]
    [Test]
    public void a_value_that_was_changed_is_found_and_named()
    {
        var python = FindPython();
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(ConformanceFile.Folder))
        {
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        }

        var metrics = Path.Combine(folder.Path, "metrics.json");
        var text = File.ReadAllText(metrics);
        var place = text.IndexOf("\"auroc\": 0.", text.IndexOf("many ties", StringComparison.Ordinal), StringComparison.Ordinal);
        File.WriteAllText(metrics, text.Insert(place + "\"auroc\": 0.".Length, "0"));
        var (code, output) = Check(python, folder.Path);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(output, Does.Contain("FAIL metrics/many ties: /auroc[0]"));
            Assert.That(output, Does.EndWith(" cases, 1 deviate\n"));
        }
    }

    [Test]
    public void the_page_says_how_many_cases_there_are()
    {
        var page = File.ReadAllText(Path.Combine(ConformanceFile.Folder, "README.md"));
        foreach (var family in (string[])["scores", "metrics", "losses"])
        {
            Assert.That(page, Does.Contain($"[`{family}.json`]({family}.json) | {ConformanceFile.Read(family).Cases.Count()} |"));
        }
    }

    [Test]
    public void our_own_tests_find_a_number_that_differs()
    {
        var @case = ConformanceFile.Read("metrics").Cases.First(@case => @case.Name == "0 of 10");
        var high = @case.Expected.GetProperty("high").GetDouble();
        using (Assert.EnterMultipleScope())
        {
            @case.Check(new { Low = 0, High = high });
            Assert.That(Failure(new { Low = 0, High = high * (1 + 1e-8) }), Does.Contain("/high[0]"));
            Assert.That(Failure(new { Low = 0, High = double.NaN }), Does.Contain("/high[0]"));
            Assert.That(Failure(new { Low = 0 }), Does.Contain("low instead of low, high"));
        }

        string? Failure(object computed) => Assert.Catch<AssertionException>(() => @case.Check(computed)).Message;
    }

    private static (int Code, string Output) Check(string python, string folder) => Run(python, Path.Combine(folder, "check.py"));

    private static string FindPython()
    {
        foreach (var candidate in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                if (Run(candidate, "-c", "import numpy, scipy, sklearn").Code == 0)
                {
                    return candidate;
                }
            }
            catch (Win32Exception)
            {
                // There is no such program.
            }
        }

        Assert.Ignore("There is no Python with numpy and scikit-learn here (Debian: apt-get install python3-numpy python3-sklearn), so the script was not run.");
        return "";
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, process.ExitCode == 0 ? output : output + error.Result);
    }
}
