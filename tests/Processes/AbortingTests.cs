using System.Runtime.InteropServices;

namespace Pascl.Tests.Processes;

/// <summary>A fixture that is there only for a run in which a native library aborts; see <see cref="WorkerProcessesTests"/>.</summary>
public sealed partial class AbortingTests
{
    /// <summary>The variable that brings the tests of this fixture into being.</summary>
    internal const string Variable = "PASCL_TESTS_ABORTING";

    private static readonly string[] steps = Environment.GetEnvironmentVariable(Variable) is null ? [] : ["first", "abort", "segfault", "exit", "last"];
    private static int setUps;

    [OneTimeSetUp]
    public void CountSetUps() => TestContext.Progress.WriteLine($"set up {++setUps}");

    [TestCaseSource(nameof(steps))]
    public void a_step(string step)
    {
        Console.WriteLine($"step {step} of process {Environment.ProcessId} after {setUps} set-ups");
        switch (step)
        {
            case "abort":
                Console.Error.WriteLine("about to abort");
                abort();
                break;
            case "segfault":
                _ = strlen(1);
                break;
            case "exit":
                _exit(3);
                break;
        }

        Assert.That(setUps, Is.EqualTo(1));
    }

    [LibraryImport("libc")]
    private static partial void abort();

    [LibraryImport("libc")]
    private static partial nint strlen(nint text);

    [LibraryImport("libc")]
    private static partial void _exit(int code);
}
