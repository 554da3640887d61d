using System.Diagnostics;
using System.Text.Json;
using Pascl.Training;
using Pascl.Training.Evaluation;
using Pascl.Training.Profiling;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary>Training as a user starts it: the real program, killed, resumed, and given bad input.</summary>
[Platform("Linux")]
public sealed class TrainCommandTests
{
    private const string Tiny =
        "train --preset quickstart --width 2 --image-size 8 --batch 150 --outlier-batch 32 --epochs 2 --finetune-batch 150 --finetune-epochs 1 " +
        "--precision fp32 --threads 1";

    private static readonly string Untrained =
        Tiny.Replace("--epochs 2", "--epochs 0", StringComparison.Ordinal).Replace("--finetune-epochs 1", "--finetune-epochs 0", StringComparison.Ordinal);

    private TemporaryFolder parent = null!;
    private TemporaryFolder shared = null!;

    [OneTimeSetUp]
    public void TrainOnce()
    {
        shared = new TemporaryFolder();
        var (code, output, error) = PasclProgram.Run($"{Tiny} --out {Whole}");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(output, Does.Contain("AUROC").And.Contain("near").And.Contain("far").And.Contain("few").And.Contain(Whole));
    }

    [OneTimeTearDown]
    public void DeleteShared() => shared.Dispose();

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void a_run_killed_at_any_moment_resumes_to_the_same_weights_and_losses()
    {
        var killed = Path.Combine(parent.Path, "killed");
        using (var process = PasclProgram.Start(PasclProgram.Folder, $"{Tiny} --out {killed}"))
        {
            // Killed in the second epoch: after a checkpoint, and with steps behind it that must be repeated.
            WaitFor(process, () => Lines(killed).Any(line => line.Epoch == 2));
            process.Kill();
            process.WaitForExit();
        }

        var page = File.ReadAllText(Path.Combine(killed, "report.html"));
        Assert.That(page, Does.Contain("Training: ").And.Contain("id=\"losses-representation"));
        var (code, output, error) = PasclProgram.Run($"train --resume {killed}");
        Assert.That(code, Is.Zero, output + error);
        using var whole = RunFolder.Open(Whole);
        using var resumed = RunFolder.Open(killed);
        Assert.Multiple(() =>
        {
            Assert.That(TinyTraining.Tensors(resumed), Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(Lines(killed).Select(line => (line.Phase, line.TotalStep, line.Losses["total"])), Is.EqualTo(
                Lines(Whole).Select(line => (line.Phase, line.TotalStep, line.Losses["total"]))));
            Assert.That(
                EvaluationReport.Read(resumed.Report).Deployed.Average!.Metrics.Auroc,
                Is.EqualTo(EvaluationReport.Read(whole.Report).Deployed.Average!.Metrics.Auroc));
        });
    }

    [Test]
    public void a_run_says_what_its_convolutions_are_worth_on_this_machine()
    {
        var parts = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(Whole, "machine.json")))!;
        var rows = parts.Where(part => part.Key.StartsWith("convolution ", StringComparison.Ordinal)).ToArray();
        using (Assert.EnterMultipleScope())
        {
            foreach (var phase in (string[])["representation", "auxiliary-branch", "evaluation"])
            {
                Assert.That(rows.Count(row => row.Key.Contains(phase, StringComparison.Ordinal) && row.Value.StartsWith("right", StringComparison.Ordinal)), Is.AtLeast(11));
            }

            Assert.That(rows.Count(row => row.Value.Contains("gradient of the weights", StringComparison.Ordinal)), Is.AtLeast(11));
            Assert.That(File.ReadAllText(Path.Combine(Whole, "report.html")), Does.Contain("convolutions on that machine"));
            Assert.That(File.Exists(Path.Combine(Whole, "doing.txt")), Is.False);
        }
    }

    [Long]
    [Test]
    public void convolutions_are_not_checked_where_that_is_switched_off()
    {
        var run = Path.Combine(parent.Path, "unchecked");
        var (code, output, error) = PasclProgram.Run($"{Untrained} --check-convolutions off --out {run}");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(File.ReadAllText(Path.Combine(run, "machine.json")), Does.Not.Contain("convolution "));
        Assert.That(PasclProgram.Run($"evaluate {run} --check-convolutions perhaps").ExitCode, Is.EqualTo(2));
    }

    [Test]
    public void after_a_process_ended_in_its_first_step_the_next_start_names_it_and_what_to_do()
    {
        var aborted = Path.Combine(parent.Path, "aborted");
        using (var process = PasclProgram.Start(PasclProgram.Folder, $"{Tiny} --out {aborted}"))
        {
            WaitFor(process, () => File.Exists(Path.Combine(aborted, "doing.txt")));
            process.Kill(); // as a native abort would: nothing of the program runs any more
            process.WaitForExit();
        }

        var (code, _, error) = PasclProgram.Run($"{Tiny} --out {aborted}");
        var (beside, _, warning) = PasclProgram.Run($"{Untrained} --out {Path.Combine(parent.Path, "next")}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain("already holds a run").And.Contain("ended without a word in the").And.Contain("doctor"));
            Assert.That(beside, Is.Zero);
            Assert.That(warning, Does.Contain(aborted).And.Contain("ended without a word in the"));
        }
    }

    [Test]
    public void a_run_ends_with_a_page_of_everything()
    {
        var page = File.ReadAllText(Path.Combine(Whole, "report.html"));
        Assert.Multiple(() =>
        {
            foreach (var part in (string[])["Trained and evaluated.", "id=\"losses-representation", "id=\"roc", "id=\"features", "data:image/png", "computes on"])
            {
                Assert.That(page, Does.Contain(part));
            }

            Assert.That(page, Does.Not.Contain("There is no "));
        });
    }

    [Test]
    public void a_folder_that_holds_a_run_is_left_alone()
    {
        var before = File.ReadAllBytes(Path.Combine(Whole, "checkpoint.safetensors"));
        ExpectSentence($"{Tiny} --out {Whole}", "already holds a run", "--resume");
        Assert.That(File.ReadAllBytes(Path.Combine(Whole, "checkpoint.safetensors")), Is.EqualTo(before));
    }

    [Long]
    [Test]
    public void one_command_begins_a_run_and_continues_it_and_no_other()
    {
        var folder = Path.Combine(parent.Path, "automatic");
        var line = $"{Untrained} --resume auto --out {folder}";
        var (code, output, error) = PasclProgram.Run(line);
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Not.Contain("was finished"));
        (code, output, error) = PasclProgram.Run(line);
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain($"The run in {folder} was finished; it is evaluated again."));
        ExpectSentence($"{line} --seed 7", $"The run in {folder} was begun with seed 0, but 7 is asked for");
        ExpectSentence($"{Untrained} --resume auto", "needs --out");
    }

    [TestCase("soon")]
    [TestCase("10")]
    [TestCase("0m")]
    [TestCase("-5s")]
    public void a_time_that_is_none_is_refused(string time) => ExpectSentence($"{Untrained} --checkpoint-every {time}", $"'{time}' is no time; expected a number above 0 and s, m or h");

    // What is evaluated at the end of a training lies in the network, and later in the checkpoint: the average of the weights, and the calibrated classifier.
    [Long]
    [TestCase("--method pascl --ema-decay 0.9 --label-smoothing 0.1")]
    [TestCase("--method patt")]
    [TestCase("--method tscl --ema-decay 0.9")]
    public void so_it_does_where_the_weights_of_the_last_step_are_not_what_a_run_is(string options)
    {
        var run = Path.Combine(parent.Path, "run");
        var (code, output, error) = PasclProgram.Run($"{Tiny} {options} --check-convolutions off --out {run}");
        Assert.That(code, Is.Zero, output + error);
        var report = Path.Combine(parent.Path, "again.json");
        (code, output, error) = PasclProgram.Run($"evaluate {run} --check-convolutions off --out {report}");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(File.ReadAllText(report), Is.EqualTo(File.ReadAllText(Path.Combine(run, "report.json"))));
    }

    [Test]
    public void evaluate_gives_the_numbers_of_the_run_again()
    {
        var report = Path.Combine(parent.Path, "again.json");
        var (code, output, error) = PasclProgram.Run($"evaluate {Whole} --out {report}");
        Assert.That(code, Is.Zero, output + error);
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(report), Is.EqualTo(File.ReadAllText(Path.Combine(Whole, "report.json"))));
            Assert.That(
                File.ReadAllText(Path.Combine(parent.Path, "again-figures.json")), Is.EqualTo(File.ReadAllText(Path.Combine(Whole, "figures.json"))));
            Assert.That(File.ReadAllText(Path.Combine(parent.Path, "again.html")), Does.Contain("Trained and evaluated."));
        });
    }

    [TestCase("train --preset quickstart --learning-rate NaN", "learning rate", "finite")]
    [TestCase("train --preset quickstart --epochs -1", "epochs", "-1")]
    [TestCase("train --preset quickstart --schedule multiStep", "milestone")]
    [TestCase("train --preset quickstart --warm-up 100", "warm-up", "16 epochs")]
    [TestCase("train --preset quickstart --temperature 0", "temperature", "above 0")]
    [TestCase("train --preset quickstart --outlier-batch 5000", "2000", "5000")]
    [TestCase("train --preset cifar10-lt", "no preset cifar10-lt", "cifar10-lt-paper")]
    [TestCase("train --preset cifar10-lt-cpu", "--data")]
    [TestCase("train --preset cifar10-lt-cpu --data no-such-folder", "no-such-folder", "does not exist")]
    [TestCase("train", "--preset")]
    [TestCase("train --id no-such-images --outliers x --ood y", "no-such-images")]
    [TestCase("train --preset quickstart --method nce", "nce", "ce, oe, pascl, energy-oe, berl, cocl, eat, rna, tscl or patt")]
    [TestCase("train --preset quickstart --precision int8", "int8")]
    [TestCase("train --preset quickstart --out /proc/run", "/proc/run")]
    [TestCase("train --resume no-such-run", "no-such-run", "does not exist")]
    [TestCase("train --resume no-such-run --seed 1", "--seed")]
    [TestCase("train --recipe no-such-recipe.json", "no-such-recipe.json")]
    [TestCase("evaluate no-such-run", "no-such-run")]
    [TestCase("report no-such-run", "no-such-run", "does not exist")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string arguments, params string[] expected) =>
        ExpectSentence(InProcess.Refused(arguments), expected);

    [Test]
    public void a_report_of_the_pages_name_is_refused() => ExpectSentence($"evaluate {Whole} --out {parent.Path}/a.html", "a.html", "end --out in .json");

    [Test]
    public void a_recipe_with_an_unknown_value_is_refused()
    {
        var recipe = parent.Write("recipe.json", File.ReadAllText(Path.Combine(Whole, "recipe.json")).Replace("\"seed\"", "\"sede\""));
        ExpectSentence($"train --recipe {recipe}", recipe, "sede");
    }

    [Long]
    [Test]
    public void a_recorded_recipe_repeats_the_run_bit_for_bit()
    {
        var again = Path.Combine(parent.Path, "again");
        var (code, output, error) = PasclProgram.Run($"train --recipe {Path.Combine(Whole, "recipe.json")} --out {again}");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(TinyTraining.Tensors(RunFolder.Open(again)), Is.EqualTo(TinyTraining.Tensors(RunFolder.Open(Whole))));
    }

    private string Whole => Path.Combine(shared.Path, "whole");

    private static void ExpectSentence(string arguments, params string[] expected)
    {
        var (code, _, error) = PasclProgram.Run(arguments);
        ExpectSentence((code, error), expected);
    }

    private static void ExpectSentence((int Code, string Error) refused, string[] expected)
    {
        var (code, error) = refused;
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(error.Trim().Split('\n'), Has.Length.LessThanOrEqualTo(2), error);
            Assert.That(error, Does.Not.Contain("   at "));
            foreach (var part in expected)
            {
                Assert.That(error, Does.Contain(part));
            }
        });
    }

    private static IReadOnlyList<StepReport> Lines(string folder)
    {
        var log = Path.Combine(folder, "log.jsonl");
        return File.Exists(log) ? RunLog.Read(log) : [];
    }

    private static void WaitFor(Process process, Func<bool> happened)
    {
        var started = Stopwatch.GetTimestamp();
        while (!happened())
        {
            Assert.That(process.HasExited, Is.False, "The program ended before it was to be stopped.");
            Assert.That(Stopwatch.GetElapsedTime(started).TotalMinutes, Is.LessThan(2));
            Thread.Sleep(5);
        }
    }
}
