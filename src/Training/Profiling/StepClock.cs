using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;

namespace Pascl.Training.Profiling;

/// <summary>Notes what happens in training steps and when. <see cref="StepProfile"/> says what it comes to.</summary>
public sealed class StepClock : IDisposable
{
    // A step without a contrastive loss has one part less, and the optimiser twice.
    private const int MarksPerStep = 10;

    private readonly Action? wait;
    private readonly NvtxRanges? ranges;
    private readonly List<StepMark> marks;
    private readonly ConcurrentQueue<PreparedBatch> prepared = new();
    private readonly ConcurrentQueue<ObservedLaunch> launches = new();
    private long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
    private bool isOpen;

    /// <summary>Creates a clock.</summary>
    /// <param name="steps">How many steps will be noted, so that noting does not allocate.</param>
    /// <param name="wait">Called before each part, to wait until the device has finished the one before; null to measure the host as it trains.</param>
    /// <param name="ranges">Shows the parts to NVIDIA's tools; null where they are not there.</param>
    internal StepClock(int steps, Action? wait = null, NvtxRanges? ranges = null) =>
        (this.wait, this.ranges, marks) = (wait, ranges, new((steps + 1) * MarksPerStep));

    /// <summary>The beginnings of the parts in order, and at last the end of the last.</summary>
    internal IReadOnlyList<StepMark> Marks => marks;

    /// <summary>The batches that data threads prepared.</summary>
    internal IReadOnlyCollection<PreparedBatch> Batches => prepared;

    internal IReadOnlyCollection<ObservedLaunch> Launches => launches;

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

/// <summary>The moment at which a part of a step begins, and the part before it ends.</summary>
/// <param name="Part">The part.</param>
/// <param name="Time">By <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="AllocatedBytes">Managed bytes that this thread had allocated.</param>
internal readonly record struct StepMark(StepPart Part, long Time, long AllocatedBytes);

/// <summary>What a training step is made of.</summary>
public enum StepPart
{
    /// <summary>Waiting for the batch.</summary>
    Data,

    /// <summary>Moving it to the device.</summary>
    Move,

    /// <summary>The network.</summary>
    Forward,

    /// <summary>Cross entropy and outlier exposure.</summary>
    LossOfLogits,

    /// <summary>The contrastive loss.</summary>
    ContrastiveLoss,

    /// <summary>The gradients.</summary>
    Backward,

    /// <summary>Setting gradients to zero, and updating the parameters.</summary>
    Optimiser,

    /// <summary>Adding up the losses, and freeing the step's tensors.</summary>
    Rest,

    /// <summary>What happens between two steps: every so often the losses are read, which waits for the device.</summary>
    Report,
}

/// <summary>The parts of a step in words, the same in tables, traces and Nsight.</summary>
internal static class StepPartNames
{
    public static string Name(this StepPart part) => part switch
    {
        StepPart.Data => "waiting for data",
        StepPart.Move => "moving the batch",
        StepPart.Forward => "forward",
        StepPart.LossOfLogits => "losses of the logits",
        StepPart.ContrastiveLoss => "contrastive loss",
        StepPart.Backward => "backward",
        StepPart.Optimiser => "optimiser",
        StepPart.Rest => "rest of the step",
        StepPart.Report => "reading the losses",
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "unknown part"),
    };
}

/// <summary>A batch that a data thread prepared.</summary>
/// <param name="Number">Its number in the epoch, from 0.</param>
/// <param name="Start">When that began, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="End">When it was done.</param>
/// <param name="Thread">Number of the thread.</param>
internal readonly record struct PreparedBatch(int Number, long Start, long End, int Thread);

/// <summary>A launch of a kernel as the host saw it.</summary>
/// <param name="Launch">What was launched.</param>
/// <param name="Time">When the call returned, by <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Thread">Number of the thread.</param>
internal readonly record struct ObservedLaunch(KernelLaunch Launch, long Time, int Thread);

/// <summary>The parts of a step as NVTX ranges, which Nsight Systems shows above the kernels. Outside NVIDIA's tools the calls do nothing.</summary>
internal sealed unsafe class NvtxRanges
{
    // nvToolsExt came with CUDA up to 12, nvtx3interop comes since; libtorch's archives add a hash to the name.
    private static readonly string[] Patterns = ["libnvToolsExt*.so*", "libnvtx3interop*.so*", "nvToolsExt64_1.dll"];
    private static readonly string[] SystemNames =
        ["libnvToolsExt.so.1", "libnvToolsExt.so", "libnvtx3interop.so.1", "libnvtx3interop.so", "nvToolsExt64_1.dll"];

    // Where libtorch lies alone, and where Python's packages put NVIDIA's libraries beside torch/lib.
    private static readonly string[] BesideLibTorch = [".", "../../nvidia/nvtx/lib", "../../nvidia/cu13/lib"];

    private readonly delegate* unmanaged<byte*, int> push;
    private readonly delegate* unmanaged<int> pop;

    // The tools may keep the address, so the names stay where they are as long as the program runs.
    private readonly nint[] names = [.. Enum.GetValues<StepPart>().Select(part => Marshal.StringToCoTaskMemUTF8(part.Name()))];

    /// <summary>Takes the library's functions.</summary>
    /// <param name="export">The address of a function by its name.</param>
    public NvtxRanges(Func<string, nint> export)
    {
        push = (delegate* unmanaged<byte*, int>)export("nvtxRangePushA");
        pop = (delegate* unmanaged<int>)export("nvtxRangePop");
    }

    /// <summary>Looks for the library beside libtorch, then where the system looks; null where there is none.</summary>
    /// <param name="libTorchFolder">The folder of libtorch.</param>
    public static NvtxRanges? Find(string libTorchFolder)
    {
        var folders = BesideLibTorch.Select(folder => Path.GetFullPath(Path.Combine(libTorchFolder, folder))).Where(Directory.Exists);
        var files = folders.SelectMany(folder => Patterns.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern)));
        foreach (var name in files.Concat(SystemNames))
        {
            if (NativeLibrary.TryLoad(name, out var library) && NativeLibrary.TryGetExport(library, "nvtxRangePushA", out _))
            {
                return new NvtxRanges(function => NativeLibrary.GetExport(library, function));
            }
        }

        return null;
    }

    /// <summary>Opens the range of a part on this thread.</summary>
    public void Push(StepPart part) => push((byte*)names[(int)part]);

    /// <summary>Closes the range that was opened last on this thread.</summary>
    public void Pop() => pop();
}
