using Spectre.Console;
using Spectre.Console.Rendering;

namespace Pascl.Training.Reporting;

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
