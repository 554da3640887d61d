using System.Runtime.InteropServices;
using Pascl.Training.Profiling;

namespace Pascl.Tests.Training.Profiling;

public sealed unsafe class StepClockTests
{
    private static readonly List<string> Calls = [];

    [Test]
    public void parts_follow_one_another_without_gaps_and_a_step_begins_with_its_data()
    {
        var profile = new StepProfile(Noted(new StepClock(steps: 2)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(profile.Spans.Select(span => (span.Step, span.Part)), Is.EqualTo(
                new[]
                {
                    (0, StepPart.Data), (0, StepPart.Forward), (0, StepPart.Report),
                    (1, StepPart.Data), (1, StepPart.Data), (1, StepPart.Forward), (1, StepPart.Report),
                }));
            Assert.That(profile.Spans.Zip(profile.Spans.Skip(1)).Select(pair => pair.Second.Start - pair.First.End), Is.All.Zero);
            Assert.That(profile.Steps, Has.Count.EqualTo(2));
            Assert.That(profile.Parts.Sum(part => part.Share), Is.EqualTo(1).Within(1e-9));
            Assert.That(profile.Parts.Select(part => part.Part), Is.EqualTo(new[] { StepPart.Data, StepPart.Forward, StepPart.Report }));
        }
    }

    [Test]
    public void noting_a_part_allocates_nothing()
    {
        var clock = new StepClock(steps: 2);
        clock.Begin(StepPart.Data);
        var before = GC.GetAllocatedBytesForCurrentThread();
        clock.Begin(StepPart.Forward);
        Assert.That(GC.GetAllocatedBytesForCurrentThread(), Is.EqualTo(before));
    }

    [Test]
    public void every_range_is_opened_by_its_name_and_closed()
    {
        Calls.Clear();
        var ranges = new NvtxRanges(name => name == "nvtxRangePushA" ? (nint)(delegate* unmanaged<byte*, int>)&Push : (nint)(delegate* unmanaged<int>)&Pop);
        Noted(new StepClock(steps: 2, ranges: ranges));
        Assert.That(string.Join(", ", Calls.Skip(2).Take(4)), Is.EqualTo("waiting for data, pop, forward, pop"));
        Assert.That(Calls.Count(call => call == "pop"), Is.EqualTo(Calls.Count / 2.0));
    }

    [Test]
    public void the_device_is_waited_for_before_every_part()
    {
        var waits = 0;
        var clock = Noted(new StepClock(steps: 2, wait: () => waits++));
        Assert.That(waits, Is.EqualTo(clock.Marks.Count + 1), "the warm-up's mark is forgotten");
    }

    [Test]
    public void there_are_ranges_where_the_library_is_and_nowhere_else()
    {
        using var folder = new TemporaryFolder();
        var isInstalled = NativeLibrary.TryLoad("libnvToolsExt.so.1", out _) || NativeLibrary.TryLoad("libnvtx3interop.so.1", out _);
        Assert.That(NvtxRanges.Find(folder.Path), isInstalled ? Is.Not.Null : Is.Null);
    }

    // A warm-up, and two steps, between which an epoch ends.
    private static StepClock Noted(StepClock clock)
    {
        clock.Begin(StepPart.Report);
        clock.Restart();
        StepPart[] parts =
            [StepPart.Data, StepPart.Forward, StepPart.Report, StepPart.Data, StepPart.Data, StepPart.Forward, StepPart.Report];
        Array.ForEach(parts, clock.Begin);
        clock.End();
        return clock;
    }

    [UnmanagedCallersOnly]
    private static int Push(byte* name)
    {
        Calls.Add(Marshal.PtrToStringUTF8((nint)name)!);
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int Pop()
    {
        Calls.Add("pop");
        return 0;
    }
}
