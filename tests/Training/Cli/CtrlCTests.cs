using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Pascl.Tests.Training.Cli;

[Platform("Linux")]
public sealed partial class CtrlCTests
{
    private const int HangUp = 1;
    private const int Interrupt = 2;
    private const int Terminate = 15;

    // A background job of a shell that is not interactive ignores Ctrl-C, and so do its children; the other signal takes the same way.
    [Test]
    public void ctrl_c_finishes_the_step_saves_and_exits_with_130() => ExpectToStop(IsIgnored(Interrupt) ? Terminate : Interrupt);

    [Long]
    [TestCase(HangUp)]
    [TestCase(Terminate)]
    public void the_end_of_a_terminal_or_of_a_machine_does_so_too(int signal)
    {
        if (IsIgnored(signal))
        {
            Assert.Ignore($"Signal {signal} is ignored here, as under nohup, and so it is by what is started here.");
        }

        ExpectToStop(signal);
    }

    private static void ExpectToStop(int signal)
    {
        using var folder = new TemporaryFolder();
        var run = Path.Combine(folder.Path, "run");
        using var training = PasclProgram.Start(
            PasclProgram.Folder, $"train --preset quickstart --width 4 --epochs 1000 --threads 1 --out {run}");
        var error = training.StandardError.ReadToEndAsync();
        var output = training.StandardOutput.ReadToEndAsync();
        WaitFor(() => new FileInfo(Path.Combine(run, "log.jsonl")) is { Exists: true, Length: > 0 }, training);

        Assert.That(Kill(training.Id, signal), Is.Zero);
        if (!training.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            training.Kill();
            Assert.Fail("the program did not stop within two minutes");
        }

        Assert.Multiple(() =>
        {
            Assert.That(training.ExitCode, Is.EqualTo(130), error.Result);
            Assert.That(error.Result.Trim(), Is.EqualTo("Stopping; press Ctrl-C again to stop at once."));
            Assert.That(output.Result, Does.Contain($"train --resume {run}"));
            Assert.That(Directory.GetFiles(run, "checkpoint*"), Has.Length.EqualTo(1));
        });
    }

    private static void WaitFor(Func<bool> isReached, Process process)
    {
        for (var waited = Stopwatch.StartNew(); !isReached(); Thread.Sleep(50))
        {
            Assert.That(process.HasExited, Is.False, "the program ended before it could be interrupted");
            Assert.That(waited.Elapsed, Is.LessThan(TimeSpan.FromMinutes(3)), "the program did not begin to train");
        }
    }

    // The mask of ignored signals, signal 1 in the lowest bit.
    private static bool IsIgnored(int signal)
    {
        const string Mask = "SigIgn:";
        var line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(Mask, StringComparison.Ordinal));
        return ((ulong.Parse(line.AsSpan(Mask.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (signal - 1)) & 1) == 1;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
