using System.Diagnostics;
using System.Globalization;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Benchmarks.Scale;

/// <summary>
/// How long the ranks of a run take to sum vectors: <c>mpirun -n 2 dotnet run -c Release --no-build --project src/Benchmarks -- link</c>. A sum of n bytes over R ranks is
/// taken for latency * log2 R + 2 (R - 1) / R * n / bandwidth, the cost of a tree for small and of a ring for large vectors; the two constants are fitted here.
/// </summary>
internal static class LinkMeasurement
{
    private const int Repetitions = 200;
    private static readonly long[] sizes = [8, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 32 << 20];

    /// <summary>Measures and prints on the first rank.</summary>
    public static void Run(Action<string> write)
    {
        var ranks = ProcessGroup.Join();
        if (ranks.IsAlone)
        {
            write("There is one rank, and so no link: start this with mpirun -n 2 or more.");
            return;
        }

        var seconds = sizes.Select(bytes => Median(ranks, bytes)).ToArray();
        if (ranks.IsFirst)
        {
            var rounds = Math.Log2(ranks.Size);
            var latency = seconds[0] / rounds;
            var bandwidth = 2.0 * (ranks.Size - 1) / ranks.Size * sizes[^1] / Math.Max(1e-9, seconds[^1] - seconds[0]);
            write($"Sums over {ranks.Size} ranks on {string.Join(", ", ranks.Hosts.Distinct())}, median of {Repetitions} (of {Repetitions / 10} from 4 MiB on)");
            foreach (var (bytes, time) in sizes.Zip(seconds))
            {
                write(string.Create(CultureInfo.InvariantCulture, $"  {bytes,12:N0} bytes  {1e6 * time,12:N1} us"));
            }

            write(string.Create(CultureInfo.InvariantCulture, $"latency {1e6 * latency:0.0} us, bandwidth {bandwidth / 1e9:0.00} GB/s"));
        }

        ranks.Leave();
    }

    private static double Median(ProcessGroup ranks, long bytes)
    {
        using var values = torch.zeros(bytes / sizeof(double), torch.float64);
        var repetitions = bytes < 4 << 20 ? Repetitions : Repetitions / 10;
        var times = new double[repetitions];
        for (var repetition = -2; repetition < repetitions; repetition++)
        {
            ranks.Largest(0);
            var started = Stopwatch.GetTimestamp();
            ranks.Sum(values, ExchangePart.Agreement);
            if (repetition >= 0)
            {
                times[repetition] = Stopwatch.GetElapsedTime(started).TotalSeconds;
            }
        }

        Array.Sort(times);
        return times[repetitions / 2];
    }
}
