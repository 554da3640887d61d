using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Profiling;

/// <summary>What a machine reaches at most: bytes of a large copy, read and written, and arithmetic of a large matrix product.</summary>
/// <param name="GigabytesPerSecond">Of the copy.</param>
/// <param name="GigaflopsPerSecond">Of the product, float32.</param>
internal sealed record MachineCeiling(double GigabytesPerSecond, double GigaflopsPerSecond)
{
    private const int Repeats = 5;

    /// <summary>Measures, with torch's number of threads; the best of several runs counts.</summary>
    /// <param name="device">Where.</param>
    /// <param name="elements">Of the copy.</param>
    /// <param name="size">Rows and columns of the product's matrices.</param>
    public static MachineCeiling Measure(Device device, long elements = 1 << 26, long size = 2048)
    {
        using var scope = NewDisposeScope();
        var (source, target) = (ones(elements, device: device), zeros(elements, device: device));
        var (left, right) = (rand(size, size, device: device), rand(size, size, device: device));
        var copy = Best(device, () => target.copy_(source));
        var multiply = Best(device, () => left.mm(right).Dispose());
        return new MachineCeiling(2.0 * sizeof(float) * elements / copy, 2.0 * size * size * size / multiply);
    }

    private static double Best(Device device, Action action)
    {
        var best = double.PositiveInfinity;
        for (var run = 0; run <= Repeats; run++)
        {
            var started = Stopwatch.GetTimestamp();
            action();
            if (device.type == DeviceType.CUDA)
            {
                cuda.synchronize(device);
            }

            best = run == 0 ? best : Math.Min(best, Stopwatch.GetElapsedTime(started).TotalNanoseconds);
        }

        return best;
    }
}
