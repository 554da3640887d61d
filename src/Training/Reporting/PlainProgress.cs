using Spectre.Console;

namespace Pascl.Training.Reporting;

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
