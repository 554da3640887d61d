namespace Pascl.Benchmarks.Growth;

/// <summary>Time and memory at one size.</summary>
/// <param name="Size">The size.</param>
/// <param name="Seconds">Times of single calls in rising order; empty where the size does not fit.</param>
/// <param name="PeakBytes">Most resident memory while it was built and run, beyond what the process had before.</param>
/// <param name="Note">Why there is no time.</param>
internal sealed record GrowthRow(int Size, IReadOnlyList<double> Seconds, double PeakBytes, string? Note = null)
{
    /// <summary>The time that half of the calls stay below.</summary>
    public double Median => Seconds[Seconds.Count / 2];

    /// <summary>The power of the size that the time grows with since a smaller size: 1 is proportional.</summary>
    public double ExponentSince(GrowthRow smaller) => Math.Log(Median / smaller.Median) / Math.Log((double)Size / smaller.Size);
}
