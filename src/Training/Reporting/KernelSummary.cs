namespace Pascl.Training.Reporting;

/// <summary>What the launches of one kernel came to.</summary>
/// <param name="Kernel">Its name.</param>
/// <param name="Launches">How many.</param>
/// <param name="Time">The device's time of all of them; on the simulator the host's.</param>
/// <param name="ArrayBytes">Sizes of the arrays that they were given, in all.</param>
internal sealed record KernelSummary(string Kernel, int Launches, TimeSpan Time, long ArrayBytes)
{
    /// <summary>Gigabytes per second if each element is touched once.</summary>
    public double GigabytesPerSecond => ArrayBytes / Time.TotalNanoseconds;
}
