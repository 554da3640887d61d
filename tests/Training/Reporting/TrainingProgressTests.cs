using System.Text.RegularExpressions;
using Pascl.Training.Profiling;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Tests.Training.Reporting;

public sealed class TrainingProgressTests
{
    [Test]
    public void a_pipe_gets_one_line_per_epoch()
    {
        var lines = Plain(progress => Reports.First(96).ToList().ForEach(progress.Report), new ManualClock());
        const string Numbers = "loss 2.124 (classification 0.813, outlier 2.571)  lr 9.8e-4, 512 images/s, 3 % waiting for data  ETA 00:00:00";
        Assert.That(lines, Is.EqualTo(
            ["representation  epoch  1/20  step 48/48  " + Numbers, "representation  epoch  2/20  step 48/48  " + Numbers]));
    }

    [Test]
    public void a_long_epoch_gets_a_line_every_ten_seconds()
    {
        var clock = new ManualClock();
        var lines = Plain(
            progress =>
            {
                foreach (var report in Reports.First(47))
                {
                    clock.Advance(1);
                    progress.Report(report);
                }
            },
            clock);
        Assert.Multiple(() =>
        {
            Assert.That(lines.Select(line => line.Split("  ")[3]), Is.EqualTo(["step 10/48", "step 20/48", "step 30/48", "step 40/48"]));
            Assert.That(lines[0], Does.EndWith("ETA 00:15:50"), "950 steps of a second");
        });
    }

    [Test]
    public void the_remaining_time_counts_neither_the_first_step_nor_those_before_a_resume()
    {
        var clock = new ManualClock();
        var remaining = new RemainingTime(clock);
        clock.Advance(100);
        var first = remaining.After(Reports.At(epoch: 10, step: 48));
        clock.Advance(4);
        var second = remaining.After(Reports.At(epoch: 11, step: 2));
        var other = remaining.After(Reports.At(epoch: 1, step: 1, phase: "auxiliary branch"));
        Assert.Multiple(() =>
        {
            Assert.That(first, Is.Null);
            Assert.That(second, Is.EqualTo(TimeSpan.FromSeconds(2 * 478)));
            Assert.That(other, Is.Null, "another phase has another speed");
            Assert.That(remaining.After(Reports.At(epoch: 20, step: 48, phase: "auxiliary branch")), Is.EqualTo(TimeSpan.Zero));
        });
    }

    [TestCase(80)]
    [TestCase(20)]
    public void no_line_on_a_terminal_reaches_the_last_column(int width)
    {
        var console = Terminal(width, out var output);
        TrainingProgress.Show(console, progress => Reports.First(960).ToList().ForEach(progress.Report), new ManualClock());
        var lines = Visible(output.ToString());
        Assert.Multiple(() =>
        {
            Assert.That(lines.Select(line => line.Length), Has.All.LessThan(width));
            Assert.That(lines, Has.Some.StartsWith("representation"));
            Assert.That(output.ToString(), Does.EndWith("\u001b[?25h"), "the cursor is shown again");
        });
    }

    [Test]
    public void the_terminal_shows_bar_time_losses_and_speed()
    {
        var console = Terminal(80, out var output);
        var clock = new ManualClock();
        TrainingProgress.Show(
            console,
            progress =>
            {
                progress.Report(Reports.At(epoch: 10, step: 47));
                clock.Advance(2);
                progress.Report(Reports.At(epoch: 10, step: 48));
            },
            clock);
        var lines = Visible(output.ToString())[^3..];
        Assert.That(lines.Select(line => line.TrimEnd()), Is.EqualTo(
            [
                "representation  epoch 10/20  ━━━━━━━━━━━━━━───────────────   50 %  ETA 00:16:00",
                "loss 2.124 (classification 0.813, outlier 2.571)",
                "lr 9.8e-4, 512 images/s, 3 % waiting for data",
            ]));
    }

    [Test]
    public void a_finished_phase_stays_above_the_next()
    {
        var console = Terminal(80, out var output);
        TrainingProgress.Show(
            console,
            progress =>
            {
                progress.Report(Reports.At(epoch: 20, step: 48));
                progress.Report(Reports.At(epoch: 1, step: 1, phase: "auxiliary branch"));
            },
            new ManualClock());
        var lines = Visible(output.ToString());
        Assert.That(
            lines.FindLastIndex(line => line.Contains("100 %")),
            Is.LessThan(lines.FindLastIndex(line => line.Contains("auxiliary"))));
    }

    [Test]
    public void an_error_passes_through_and_the_cursor_comes_back()
    {
        var console = Terminal(80, out var output);
        Assert.That(
            () => TrainingProgress.Show(console, progress => throw new InvalidOperationException("diverged"), new ManualClock()),
            Throws.InvalidOperationException.With.Message.EqualTo("diverged"));
        Assert.That(output.ToString(), Does.EndWith("\u001b[?25h"));
    }

    private static string[] Plain(Action<IProgress<StepReport>> train, TimeProvider clock)
    {
        var output = new StringWriter();
        TrainingProgress.Show(Console(output, AnsiSupport.No, 20), train, clock);
        return output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static IAnsiConsole Terminal(int width, out StringWriter output) =>
        Console(output = new StringWriter(), AnsiSupport.Yes, width);

    private static IAnsiConsole Console(StringWriter output, AnsiSupport ansi, int width)
    {
        var settings = new AnsiConsoleSettings { Ansi = ansi, Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(output) };
        var console = AnsiConsole.Create(settings);
        (console.Profile.Width, console.Profile.Capabilities.Unicode) = (width, true);
        return console;
    }

    /// <summary>The lines that were drawn, without colours and cursor movements.</summary>
    private static List<string> Visible(string output) =>
        [.. Regex.Replace(output, "\u001b\\[[0-9;?]*[A-Za-z]", "").Split('\n', '\r').Where(line => line.Length > 0)];
}
