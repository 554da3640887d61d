namespace Pascl.Tests.Processes;

/// <summary>The names of the signals that end a process when native code goes wrong.</summary>
internal static class ExitReason
{
    private const int Signalled = 128;

    private static readonly Dictionary<int, string> signals = new()
    {
        [4] = "SIGILL",
        [5] = "SIGTRAP",
        [6] = "SIGABRT",
        [7] = "SIGBUS",
        [8] = "SIGFPE",
        [9] = "SIGKILL",
        [11] = "SIGSEGV",
        [15] = "SIGTERM",
    };

    /// <summary>The signal of an exit code, else the code itself.</summary>
    public static string Of(int exitCode) => signals.TryGetValue(exitCode - Signalled, out var signal) ? signal : $"exit code {exitCode}";
}
