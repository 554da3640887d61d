namespace Pascl.Tests;

/// <summary>
/// How long work keeps the processors, to be compared with other work in the same test: a limit in seconds says more about a machine and its neighbours than
/// about the code.
/// </summary>
internal static class ProcessorTime
{
    private const int Rounds = 3;
    private const int Turns = 5;

    /// <summary>The least time of all threads together in several rounds, since other threads of this process may only add to it.</summary>
    public static TimeSpan Of(Action work) => Enumerable.Range(0, Rounds).Min(_ => Once(work));

    /// <summary>How many times as long as other work some work takes: by turns, because whatever else runs makes a processor slower, and the least of each.</summary>
    public static double Ratio(Action work, Action other)
    {
        var (time, otherTime) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (var round = 0; round < Turns; round++)
        {
            otherTime = new(Math.Min(otherTime.Ticks, Once(other).Ticks));
            time = new(Math.Min(time.Ticks, Once(work).Ticks));
        }

        return time / otherTime;
    }

    private static TimeSpan Once(Action work)
    {
        var before = Environment.CpuUsage.TotalTime;
        work();
        return Environment.CpuUsage.TotalTime - before;
    }
}
