using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Pascl.Tests.Training.Cli;

[Platform("Linux")]
public sealed partial class CtrlCTests
{
    private const int Interrupt = 2;

    [Test]
    public void ctrl_c_finishes_the_step_saves_and_exits_with_130()
    {
        using var folder = new TemporaryFolder();
        var run = Path.Combine(folder.Path, "run");
        using var training = PasclProgram.Start(
            PasclProgram.Folder, $"train --preset quickstart --width 4 --epochs 1000 --out {run}");
        var error = training.StandardError.ReadToEndAsync();
        var output = training.StandardOutput.ReadToEndAsync();
        WaitFor(() => new FileInfo(Path.Combine(run, "log.jsonl")) is { Exists: true, Length: > 0 }, training);

        Assert.That(Kill(training.Id, Interrupt), Is.Zero);
        training.WaitForExit();
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

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
