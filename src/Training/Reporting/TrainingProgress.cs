using Spectre.Console;

namespace Pascl.Training.Reporting;

/// <summary>Shows how training advances: a bar that moves on a terminal, plain lines in a file or a pipe.</summary>
public static class TrainingProgress
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
