using System.Diagnostics;
using System.Text.Json;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Reporting;

namespace Pascl.Benchmarks.Growth;

/// <summary>How time and memory grow with the size of the task, kept as a JSON file for the report.</summary>
/// <param name="Origin">When, of what, and on what machine it was measured.</param>
/// <param name="Axes">For each quantity its name, what was measured, and the rows.</param>
internal sealed record GrowthResult(RunOrigin Origin, IReadOnlyList<GrowthTable> Axes)
{
    private const int Calls = 5;
    private static readonly string File = Path.Combine("BenchmarkDotNet.Artifacts", "growth.json");

    /// <summary>Measures all quantities.</summary>
    /// <param name="progress">Told of each row.</param>
    public static GrowthResult Measure(Action<string> progress) => new(
        RunOrigin.Now(),
        [.. GrowthAxis.All.Select(axis => new GrowthTable(axis.Name, axis.Description, [.. axis.Sizes.Select(size => Row(axis, size, progress))]))]);

    /// <summary>The kept result, or null.</summary>
    public static GrowthResult? Read() => System.IO.File.Exists(File) ? JsonSerializer.Deserialize<GrowthResult>(System.IO.File.ReadAllText(File)) : null;

    /// <summary>Keeps the result in place of the previous one.</summary>
    public void Save()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, JsonSerializer.Serialize(this));
    }

    private static GrowthRow Row(GrowthAxis axis, int size, Action<string> progress)
    {
        var before = ResidentMemory.StartAgain();
        if (axis.LeastBytes(size) > ResidentMemory.Available)
        {
            var note = $"left out: it needs {axis.LeastBytes(size) / 1e9:0.0} GB and {ResidentMemory.Available / 1e9:0.0} GB are free";
            progress($"{axis.Name} {size}: {note}");
            return new GrowthRow(size, [], 0, note);
        }

        var (call, held) = axis.Prepare(size);
        using (held)
        {
            call();
            var seconds = new double[Calls];
            for (var run = 0; run < Calls; run++)
            {
                var started = Stopwatch.GetTimestamp();
                call();
                seconds[run] = Stopwatch.GetElapsedTime(started).TotalSeconds;
            }

            var row = new GrowthRow(size, [.. seconds.Order()], ResidentMemory.Peak - before);
            progress($"{axis.Name} {size}: {row.Median:0.0000} s, {row.PeakBytes / (1 << 20):0} MB");
            return row;
        }
    }
}
