namespace Pascl.Tests;

/// <summary>
/// How long work keeps the processors, to be compared with other work in the same test: a limit in seconds says more about a machine and its neighbours than
/// about the code.
/// </summary>
internal static class ProcessorTime
{
    private const int Rounds = 3;

    /// <summary>The least time of all threads together in several rounds, since other threads of this process may only add to it.</summary>
    public static TimeSpan Of(Action work) => Enumerable.Range(0, Rounds).Min(_ =>
    {
        var before = Environment.CpuUsage.TotalTime;
        work();
        return Environment.CpuUsage.TotalTime - before;
    });
}
