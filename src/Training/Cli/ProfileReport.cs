using System.Diagnostics;
using System.Globalization;
using Pascl.Training.Interop;
using Pascl.Training.Reporting;

namespace Pascl.Training.Cli;

/// <summary>A profile as tables.</summary>
internal sealed class ProfileReport(StepProfile profile, ComputeDevice device, long images, bool hasNvtx)
{
    private const double BytesPerMebibyte = 1 << 20;

    public void Write(string title)
    {
        Console.WriteLine($"Computes on: {device}");
        ConsoleTable.Write(
            $"{title}: time per step",
            ["part", "ms", "share", "longest ms", "managed bytes"],
            [.. profile.Parts.Select(Row), WholeStep()]);
        ConsoleTable.Write("The steps", ["what", "value"], [.. Rows().Select(row => new[] { row.Name, row.Value })]);
        if (device.Kernels is not null)
        {
            WriteKernels(device.Kernels.IsSimulator ? null : MachineCeiling.Measure(device.Torch));
        }
    }

    // The simulator's times say nothing about a GPU.
    private void WriteKernels(MachineCeiling? ceiling) => ConsoleTable.Write(
        $"Kernels, {PerStep(profile.Clock.Launches.Count)} launches per step"
            + (ceiling is null ? "" : string.Create(CultureInfo.InvariantCulture, $"; a copy reaches {ceiling.GigabytesPerSecond:0} GB/s here")),
        ["kernel", "launches per step", "KB of arrays per launch", .. ceiling is null ? (string[])[] : ["us per launch", "GB/s", "of the copy"]],
        [.. profile.Kernels().Select(kernel => (string[])[
            kernel.Kernel,
            PerStep(kernel.Launches),
            Count(kernel.ArrayBytes / kernel.Launches / 1024),
            .. ceiling is null ? (string[])[] :
            [
                (kernel.Time / kernel.Launches).TotalMicroseconds.ToString("0.0", CultureInfo.InvariantCulture),
                kernel.GigabytesPerSecond.ToString("0", CultureInfo.InvariantCulture),
                (kernel.GigabytesPerSecond / ceiling.GigabytesPerSecond).ToString("P0", CultureInfo.InvariantCulture),
            ]])]);

    private static string[] Row(PartSummary part) =>
    [
        part.Part.Name(), Milliseconds(part.Mean), string.Create(CultureInfo.InvariantCulture, $"{100 * part.Share:0.0} %"), Milliseconds(part.Longest),
        Count(part.AllocatedBytes),
    ];

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private string PerStep(int count) => ((double)count / profile.Steps.Count).ToString("0.##", CultureInfo.InvariantCulture);

    private string[] WholeStep() =>
    [
        "whole step", Milliseconds(profile.Duration / profile.Steps.Count), "100 %", Milliseconds(profile.StepTimes[^1]),
        Count(profile.Spans.Sum(span => span.AllocatedBytes) / profile.Steps.Count),
    ];

    private IEnumerable<(string Name, string Value)> Rows()
    {
        var median = profile.StepTimes[profile.StepTimes.Count / 2];
        yield return ("images/s", Count((long)(images / profile.Duration.TotalSeconds)));
        yield return ("images per step", Count(images / profile.Steps.Count));
        yield return ("median step", $"{Milliseconds(median)} ms");
        if (profile.TimePerBatch is { } batch)
        {
            yield return ("a data thread prepares a batch in", $"{Milliseconds(batch)} ms");
        }

        yield return ("managed bytes per step, all threads", Count(profile.Clock.AllocatedBytes / profile.Steps.Count));
        using var process = Process.GetCurrentProcess();
        var peak = process.PeakWorkingSet64 / BytesPerMebibyte;
        yield return ("resident memory, peak of the process", string.Create(CultureInfo.InvariantCulture, $"{peak:0} MiB"));
        yield return ("NVTX", hasNvtx ? "found; Nsight Systems shows the parts by name" : "not found; Nsight Systems would not show the parts by name");
    }
}
