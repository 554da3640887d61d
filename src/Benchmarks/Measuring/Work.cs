using Pascl.Training.Profiling;

namespace Pascl.Benchmarks.Measuring;

/// <summary>
/// What an operation cannot do without: the traffic and arithmetic of an implementation that reads its inputs once and writes its outputs once.
/// </summary>
/// <param name="Bytes">Read and written.</param>
/// <param name="Flops">Additions and multiplications.</param>
public readonly record struct Work(double Bytes, double Flops)
{
    /// <summary>Gigabytes per second when the work takes so long.</summary>
    public double GigabytesPerSecond(double nanoseconds) => Bytes / nanoseconds;

    /// <summary>GFLOP per second when the work takes so long.</summary>
    public double GigaflopsPerSecond(double nanoseconds) => Flops / nanoseconds;

    /// <summary>The larger of the shares that a speed has of a machine's two limits: whichever is nearer binds.</summary>
    internal double ShareOf(MachineCeiling ceiling, double nanoseconds) =>
        Math.Max(GigabytesPerSecond(nanoseconds) / ceiling.GigabytesPerSecond, GigaflopsPerSecond(nanoseconds) / ceiling.GigaflopsPerSecond);
}
