using System.Diagnostics;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Profiling;

/// <summary>Where the time of training steps went, from the marks of a <see cref="StepClock"/>.</summary>
internal sealed class StepProfile
{
    /// <summary>Reads a clock that has ended.</summary>
    public StepProfile(StepClock clock)
    {
        Clock = clock;
        var spans = new List<StepSpan>();
        for (var (i, step) = (0, 0); i + 1 < clock.Marks.Count; i++)
        {
            var (mark, next) = (clock.Marks[i], clock.Marks[i + 1]);
            step += mark.Part == StepPart.Data && i > 0 && clock.Marks[i - 1].Part == StepPart.Report ? 1 : 0;
            spans.Add(new StepSpan(step, mark.Part, mark.Time, next.Time, next.AllocatedBytes - mark.AllocatedBytes));
        }

        Spans = spans;
        Steps = [.. spans.GroupBy(span => span.Step).Select(step => (step.First().Start, step.Last().End))];
    }

    public StepClock Clock { get; }

    /// <summary>The parts of all steps in order, without gaps.</summary>
    public IReadOnlyList<StepSpan> Spans { get; }

    /// <summary>When each step began and ended, by <see cref="Stopwatch"/>.</summary>
    public IReadOnlyList<(long Start, long End)> Steps { get; }

    /// <summary>From the beginning of the first step to the end of the last.</summary>
    public TimeSpan Duration => Stopwatch.GetElapsedTime(Steps[0].Start, Steps[^1].End);

    /// <summary>What each part came to, in the order of a step.</summary>
    public IReadOnlyList<PartSummary> Parts => [.. Spans.GroupBy(span => span.Part).OrderBy(part => part.Key).Select(Summary)];

    /// <summary>The step times, shortest first.</summary>
    public IReadOnlyList<TimeSpan> StepTimes => [.. Steps.Select(step => Stopwatch.GetElapsedTime(step.Start, step.End)).Order()];

    /// <summary>Time that a data thread took for a batch, on average; null where none was prepared.</summary>
    public TimeSpan? TimePerBatch => Clock.Batches.Count == 0
        ? null
        : TimeSpan.FromTicks((long)Clock.Batches.Average(batch => Stopwatch.GetElapsedTime(batch.Start, batch.End).Ticks));

    /// <summary>What each kernel came to in all steps, the longest first; waits until the device has finished the last.</summary>
    public IReadOnlyList<KernelSummary> Kernels() =>
    [
        .. Clock.Launches.Select(observed => observed.Launch).GroupBy(launch => launch.Kernel.Name)
            .Select(launches => new KernelSummary(
                launches.Key,
                launches.Count(),
                launches.Aggregate(TimeSpan.Zero, (sum, launch) => sum + launch.End.Since(launch.Begin)),
                launches.Sum(launch => launch.ArrayBytes)))
            .OrderByDescending(kernel => kernel.Time),
    ];

    private PartSummary Summary(IGrouping<StepPart, StepSpan> part)
    {
        var perStep = part.GroupBy(span => span.Step).Select(step => step.Sum(span => span.End - span.Start)).ToArray();
        return new PartSummary(
            part.Key,
            Stopwatch.GetElapsedTime(0, perStep.Sum() / Steps.Count),
            Stopwatch.GetElapsedTime(0, perStep.Max()),
            (double)perStep.Sum() / (Steps[^1].End - Steps[0].Start),
            part.Sum(span => span.AllocatedBytes) / Steps.Count);
    }
}

/// <summary>A part of one step.</summary>
/// <param name="Step">Number of the step, from 0.</param>
/// <param name="Part">What was done.</param>
/// <param name="Start">When it began, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="End">When it ended.</param>
/// <param name="AllocatedBytes">Managed bytes that the training thread allocated meanwhile.</param>
internal readonly record struct StepSpan(int Step, StepPart Part, long Start, long End, long AllocatedBytes);

/// <summary>What is known of a run after a training step: one line of the log, one update of the display.</summary>
/// <param name="Phase">Name of the training phase.</param>
/// <param name="Epoch">The current epoch, from 1.</param>
/// <param name="Epochs">Epochs of the phase.</param>
/// <param name="Step">Finished steps of the epoch, from 1.</param>
/// <param name="Steps">Steps of an epoch.</param>
/// <param name="Losses">Losses by name, means since the report before; the first is the one that is minimised, the others are its
/// parts.</param>
/// <param name="LearningRate">The learning rate of the step.</param>
/// <param name="ImagesPerSecond">Images that went through the network per second, since the report before.</param>
/// <param name="Seconds">Training time of the phase so far, earlier sessions of a resumed run included.</param>
/// <param name="ResidentBytes">Memory of the process.</param>
public sealed record StepReport(
    string Phase,
    int Epoch,
    int Epochs,
    int Step,
    int Steps,
    IReadOnlyDictionary<string, double> Losses,
    double LearningRate,
    double ImagesPerSecond,
    double Seconds,
    long ResidentBytes)
{
    /// <summary>Share of the time since the report before that was spent waiting for batches, from 0 to 1; logs of older versions have none.</summary>
    public double DataWaitShare { get; init; }

    /// <summary>When the report was made.</summary>
    public DateTimeOffset Time { get; init; } = DateTimeOffset.UtcNow;

    /// <summary>Finished steps of the phase.</summary>
    public long TotalStep => ((Epoch - 1L) * Steps) + Step;

    /// <summary>Steps of the phase.</summary>
    public long TotalSteps => (long)Epochs * Steps;
}

/// <summary>What a part of the steps came to.</summary>
/// <param name="Part">The part.</param>
/// <param name="Mean">Time per step.</param>
/// <param name="Longest">Time in the step where it took longest.</param>
/// <param name="Share">Share of all time.</param>
/// <param name="AllocatedBytes">Managed bytes of the training thread, per step.</param>
internal sealed record PartSummary(StepPart Part, TimeSpan Mean, TimeSpan Longest, double Share, long AllocatedBytes);

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

/// <summary>A profile as trace events, which <c>ui.perfetto.dev</c> and <c>chrome://tracing</c> open.</summary>
internal static class ChromeTrace
{
    private const int Process = 1;

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public static void Write(string path, StepProfile profile) => DurableFile.Replace(path, stream =>
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteStartArray("traceEvents");
        new Events(json, profile).Write();
        json.WriteEndArray();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteEndObject();
    });

    private sealed class Events(Utf8JsonWriter json, StepProfile profile)
    {
        private readonly long origin = profile.Steps[0].Start;
        private readonly int training = Environment.CurrentManagedThreadId;

        public void Write()
        {
            Name(training, "training steps");
            foreach (var (step, (start, end)) in profile.Steps.Index())
            {
                Span($"step {step + 1}", start, end, training);
            }

            foreach (var span in profile.Spans)
            {
                Span(span.Part.Name(), span.Start, span.End, training);
            }

            // Batches of the warm-up may be finished later.
            foreach (var batch in profile.Clock.Batches.Where(batch => batch.Start >= origin))
            {
                Span($"prepare batch {batch.Number}", batch.Start, batch.End, batch.Thread);
            }

            foreach (var launch in profile.Clock.Launches)
            {
                Instant(launch.Launch.Kernel.Name, launch.Time, launch.Thread);
            }

            foreach (var thread in profile.Clock.Batches.Select(batch => batch.Thread).Distinct())
            {
                Name(thread, $"data thread {thread}");
            }
        }

        private void Span(string name, long start, long end, int thread)
        {
            Begin("X", name, thread);
            json.WriteNumber("ts", Microseconds(start));
            json.WriteNumber("dur", Microseconds(end) - Microseconds(start));
            json.WriteEndObject();
        }

        private void Instant(string name, long time, int thread)
        {
            Begin("i", name, thread);
            json.WriteNumber("ts", Microseconds(time));
            json.WriteString("s", "t");
            json.WriteEndObject();
        }

        private void Name(int thread, string name)
        {
            Begin("M", "thread_name", thread);
            json.WriteStartObject("args");
            json.WriteString("name", name);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        private void Begin(string kind, string name, int thread)
        {
            json.WriteStartObject();
            json.WriteString("ph", kind);
            json.WriteString("name", name);
            json.WriteNumber("pid", Process);
            json.WriteNumber("tid", thread);
        }

        // To the nanosecond and in decimals, so that one span ends exactly where the next begins.
        private decimal Microseconds(long time) => Math.Round((time - origin) * 1_000_000m / Stopwatch.Frequency, 3);
    }
}

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
