using System.Diagnostics;

namespace Pascl.Training.Reporting;

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

    /// <summary>What was noted.</summary>
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
