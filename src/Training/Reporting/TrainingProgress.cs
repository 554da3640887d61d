using Pascl.Training.Profiling;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Pascl.Training.Reporting;

/// <summary>Shows how training advances: a bar that moves on a terminal, plain lines in a file or a pipe.</summary>
internal static class TrainingProgress
{
    /// <summary>Runs <paramref name="train"/> and shows what it reports. Exceptions pass through; the terminal is left in order.</summary>
    /// <param name="console">Where to show it.</param>
    /// <param name="train">The work; it reports from one thread and writes nothing else to the terminal meanwhile.</param>
    public static void Show(IAnsiConsole console, Action<IProgress<StepReport>> train) => Show(console, train, TimeProvider.System);

    internal static void Show(IAnsiConsole console, Action<IProgress<StepReport>> train, TimeProvider clock)
    {
        if (console.Profile.Capabilities is { Ansi: true, Interactive: true })
        {
            new LiveProgress(console, clock).Show(train);
        }
        else
        {
            train(new PlainProgress(console, clock));
        }
    }
}

/// <summary>
/// Progress on a terminal, redrawn in place at most five times a second:
/// <code>
/// representation  epoch   3/200  ━━━━━━━━━━────────────────────  33 %  ETA 00:12:34
/// loss 2.124 (classification 0.813, outlier 2.571)
/// lr 9.8e-4, 512 images/s, 3 % waiting for data
/// </code>
/// </summary>
internal sealed class LiveProgress(IAnsiConsole console, TimeProvider clock) : IProgress<StepReport>
{
    private const int LongestBar = 40;

    private static readonly TimeSpan interval = TimeSpan.FromMilliseconds(200);
    private static readonly Style done = new(Color.Green);
    private static readonly Style faint = new(Color.Grey);

    private readonly RemainingTime remaining = new(clock);
    private LiveDisplayContext? display;
    private IRenderable picture = Text.Empty;
    private string phase = "";
    private long lastDrawing;

    /// <summary>
    /// Runs <paramref name="train"/> with the display on. However that ends, the last state stays on the screen and the cursor comes back.
    /// </summary>
    public void Show(Action<IProgress<StepReport>> train) => console.Live(picture).Start(context =>
    {
        display = context;
        train(this);
        Redraw(picture);
    });

    public void Report(StepReport value)
    {
        var next = Draw(value, remaining.After(value));
        if (phase != value.Phase)
        {
            if (phase.Length > 0)
            {
                // The finished phase stays above the next one. Spectre writes over live lines without erasing them: empty them first.
                Redraw(Text.Empty);
                console.Write(picture);
            }

            (phase, lastDrawing) = (value.Phase, 0);
        }

        picture = next;
        if (lastDrawing == 0 || clock.GetElapsedTime(lastDrawing) >= interval)
        {
            lastDrawing = clock.GetTimestamp();
            Redraw(picture);
        }
    }

    private void Redraw(IRenderable target)
    {
        display?.UpdateTarget(target);

        // At the end of a full line the terminal's echo of Ctrl-C would wrap and shift every later drawing by a line.
        console.Profile.Out.Writer.Write('\r');
    }

    private Rows Draw(StepReport report, TimeSpan? left)
    {
        // One column stays free: a full line makes some terminals wrap.
        var width = console.Profile.Width - 1;
        var fraction = (double)report.TotalStep / report.TotalSteps;
        var start = $"{report.Phase}  {ProgressText.Epoch(report)}  ";
        var end = $"  {(int)(100 * fraction),3} %  ETA {ProgressText.Time(left)}";
        var bar = Math.Clamp(width - start.Length - end.Length, 0, LongestBar);
        var filled = (int)(bar * fraction);
        var (full, empty) = console.Profile.Capabilities.Unicode ? ('━', '─') : ('=', '-');
        var first = bar > 0
            ? new Paragraph(start).Append(new string(full, filled), done).Append(new string(empty, bar - filled), faint).Append(end)
            : new Paragraph(Fit(start + end, width));
        return new Rows(first, new Text(Fit(ProgressText.Losses(report), width)), new Text(Fit(ProgressText.Speed(report), width), faint));
    }

    private static string Fit(string text, int width) => text.Length <= width ? text : text[..Math.Max(0, width)];
}

/// <summary>Progress for files and pipes: one line at the end of every epoch, and every ten seconds in long ones.</summary>
internal sealed class PlainProgress(IAnsiConsole console, TimeProvider clock) : IProgress<StepReport>
{
    private static readonly TimeSpan interval = TimeSpan.FromSeconds(10);

    private readonly RemainingTime remaining = new(clock);
    private long lastLine = clock.GetTimestamp();

    public void Report(StepReport value)
    {
        var left = remaining.After(value);
        if (value.Step < value.Steps && clock.GetElapsedTime(lastLine) < interval)
        {
            return;
        }

        lastLine = clock.GetTimestamp();
        var step = $"step {value.Step}/{value.Steps}";
        var line = $"{value.Phase}  {ProgressText.Epoch(value)}  {step}  {ProgressText.Losses(value)}  {ProgressText.Speed(value)}  ";
        console.Profile.Out.Writer.WriteLine($"{line}ETA {ProgressText.Time(left)}");
    }
}

/// <summary>The words of a step report, the same on a terminal and in a file.</summary>
internal static class ProgressText
{
    /// <summary>The total loss, and its parts where there are several: <c>loss 1.234 (classification 0.813, outlier 2.571)</c>.</summary>
    public static string Losses(StepReport report)
    {
        string[] all = [.. report.Losses.Select(loss => $"{loss.Key} {loss.Value:0.000}")];
        return all.Length < 2 ? string.Concat(all) : $"{all[0]} ({string.Join(", ", all[1..])})";
    }

    /// <summary>Learning rate, speed and what the data costs of it: <c>lr 0.00098, 512 images/s, 3 % waiting for data</c>.</summary>
    public static string Speed(StepReport report) =>
        $"lr {report.LearningRate:0.0##e+0}, {report.ImagesPerSecond:0} images/s, {100 * report.DataWaitShare:0} % waiting for data";

    /// <summary>Epoch of epochs, as wide at the start as at the end.</summary>
    public static string Epoch(StepReport report) =>
        $"epoch {report.Epoch.ToString().PadLeft(report.Epochs.ToString().Length)}/{report.Epochs}";

    /// <summary>Hours, minutes and seconds; dashes while unknown.</summary>
    public static string Time(TimeSpan? time) => time is null ? "--:--:--" : $"{(int)time.Value.TotalHours:00}:{time.Value:mm\\:ss}";
}

/// <summary>Estimates when a phase will be done, from the steps that this process has seen.</summary>
internal sealed class RemainingTime(TimeProvider clock)
{
    private string phase = "";
    private long startTime;
    private long startStep;

    /// <summary>The time left after <paramref name="report"/>; <see langword="null"/> until two reports of the phase were seen.</summary>
    public TimeSpan? After(StepReport report)
    {
        // Neither counts: the first step of a phase, slow because memory is laid out, and steps before a resume, which took no time here.
        if (report.Phase != phase || report.TotalStep < startStep)
        {
            (phase, startTime, startStep) = (report.Phase, clock.GetTimestamp(), report.TotalStep);
        }

        var steps = report.TotalStep - startStep;
        return report.TotalStep == report.TotalSteps ? TimeSpan.Zero
            : steps == 0 ? null
            : clock.GetElapsedTime(startTime) / steps * (report.TotalSteps - report.TotalStep);
    }
}
