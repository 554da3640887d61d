using System.Runtime.InteropServices;
using Pascl.Training.Cli;

namespace Pascl.Tests.Training.Cli;

/// <summary>With the signal of a resized window, which ends no process; Ctrl-C itself is tested on the real program.</summary>
[Platform("Linux")]
public sealed partial class InterruptionTests
{
    private const int WindowResized = 28;

    [Test]
    public void the_signal_cancels_the_token()
    {
        using var interruption = new Interruption((PosixSignal)WindowResized);
        Assert.That(interruption.Token.IsCancellationRequested, Is.False);
        Assert.That(Kill(Environment.ProcessId, WindowResized), Is.Zero);
        Assert.That(interruption.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(10)), Is.True);
    }

    [Test]
    public void signals_after_the_end_are_nobodys_business()
    {
        var interruption = new Interruption((PosixSignal)WindowResized);
        var token = interruption.Token;
        interruption.Dispose();
        Assert.That(Kill(Environment.ProcessId, WindowResized), Is.Zero);
        Thread.Sleep(50);
        Assert.That(token.IsCancellationRequested, Is.False);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
