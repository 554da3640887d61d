using System.Diagnostics;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Measuring;

/// <summary>
/// What the machine reaches at most, measured in the same run: bytes of a large copy, read and written, and arithmetic of a large matrix product.
/// </summary>
/// <param name="GigabytesPerSecond">Of the copy.</param>
/// <param name="GigaflopsPerSecond">Of the product, float32.</param>
public sealed record Ceiling(double GigabytesPerSecond, double GigaflopsPerSecond)
{
    private const int Repeats = 5;
    private static readonly Lazy<Ceiling> Measured = new(() => Measure(BenchmarkMachine.Torch, elements: 1 << 26, size: 2048));

    /// <summary>Of this machine with torch's number of threads, measured when first asked for.</summary>
    public static Ceiling OfThisMachine => Measured.Value;

    /// <summary>Measures; the best of several runs counts.</summary>
    /// <param name="device">Where.</param>
    /// <param name="elements">Of the copy.</param>
    /// <param name="size">Rows and columns of the product's matrices.</param>
    public static Ceiling Measure(Device device, long elements, long size)
    {
        using var scope = NewDisposeScope();
        var (source, target) = (ones(elements, device: device), zeros(elements, device: device));
        var (left, right) = (rand(size, size, device: device), rand(size, size, device: device));
        var copy = Best(device, () => target.copy_(source));
        var multiply = Best(device, () => left.mm(right).Dispose());
        return new Ceiling(2.0 * sizeof(float) * elements / copy, 2.0 * size * size * size / multiply);
    }

    /// <summary>The larger of the shares that a speed has of the two limits: whichever is nearer binds.</summary>
    public double Share(Work work, double nanoseconds) =>
        Math.Max(work.GigabytesPerSecond(nanoseconds) / GigabytesPerSecond, work.GigaflopsPerSecond(nanoseconds) / GigaflopsPerSecond);

    private static double Best(Device device, Action action)
    {
        var best = double.PositiveInfinity;
        for (var run = 0; run <= Repeats; run++)
        {
            var started = Stopwatch.GetTimestamp();
            action();
            BenchmarkMachine.Synchronize(device);
            best = run == 0 ? best : Math.Min(best, Stopwatch.GetElapsedTime(started).TotalNanoseconds);
        }

        return best;
    }
}
