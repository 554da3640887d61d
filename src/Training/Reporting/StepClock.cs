using System.Collections.Concurrent;
using System.Diagnostics;
using Pascl.Kernels.Device;

namespace Pascl.Training.Reporting;

/// <summary>Notes what happens in training steps and when. <see cref="StepProfile"/> says what it comes to.</summary>
/// <param name="steps">How many steps will be noted, so that noting does not allocate.</param>
/// <param name="wait">Called before each part, to wait until the device has finished the one before; null to measure the host as it trains.</param>
/// <param name="ranges">Shows the parts to NVIDIA's tools; null where they are not there.</param>
internal sealed class StepClock(int steps, Action? wait = null, NvtxRanges? ranges = null) : IDisposable
{
    // A step without a contrastive loss has one part less, and the optimiser twice.
    private const int MarksPerStep = 10;

    private readonly List<StepMark> marks = new((steps + 1) * MarksPerStep);
    private readonly ConcurrentQueue<PreparedBatch> prepared = new();
    private readonly ConcurrentQueue<ObservedLaunch> launches = new();
    private long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
    private bool isOpen;

    /// <summary>The beginnings of the parts in order, and at last the end of the last.</summary>
    public IReadOnlyList<StepMark> Marks => marks;

    /// <summary>The batches that data threads prepared.</summary>
    public IReadOnlyCollection<PreparedBatch> Batches => prepared;

    /// <summary>The launches of kernels.</summary>
    public IReadOnlyCollection<ObservedLaunch> Launches => launches;

    /// <summary>Managed bytes that all threads allocated from the beginning to the end.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>A part begins, and the one before ends.</summary>
    public void Begin(StepPart part)
    {
        Mark(part);
        ranges?.Push(part);
        isOpen = true;
    }

    /// <summary>The last part ends.</summary>
    public void End()
    {
        Mark(StepPart.Report);
        AllocatedBytes = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
    }

    /// <summary>Forgets everything: what came before was warm-up.</summary>
    public void Restart()
    {
        ClosePart();
        marks.Clear();
        prepared.Clear();
        Dispose();
        allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
    }

    /// <summary>Frees what the launches hold, and forgets them.</summary>
    public void Dispose()
    {
        while (launches.TryDequeue(out var observed))
        {
            observed.Launch.Dispose();
        }
    }

    /// <summary>A batch was prepared on this thread.</summary>
    public void Prepared(int number, long start) =>
        prepared.Enqueue(new PreparedBatch(number, start, Stopwatch.GetTimestamp(), Environment.CurrentManagedThreadId));

    /// <summary>A kernel was launched on this thread.</summary>
    public void Launched(KernelLaunch launch) => launches.Enqueue(new ObservedLaunch(launch, Stopwatch.GetTimestamp(), Environment.CurrentManagedThreadId));

    private void Mark(StepPart part)
    {
        wait?.Invoke();
        ClosePart();
        marks.Add(new StepMark(part, Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread()));
    }

    private void ClosePart()
    {
        if (isOpen)
        {
            ranges?.Pop();
        }

        isOpen = false;
    }
}
