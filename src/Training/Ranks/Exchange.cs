using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Ranks;

/// <summary>A sum over the ranks that was begun.</summary>
/// <param name="group">The ranks.</param>
/// <param name="part">What it is for.</param>
/// <param name="values">What is summed.</param>
/// <param name="onHost">Where MPI sums; null where the GPUs do, whose later work sees the sums.</param>
/// <param name="requests">What MPI has begun.</param>
internal sealed class PendingSum(ProcessGroup group, ExchangePart part, torch.Tensor values, torch.Tensor? onHost, List<nint> requests) : IDisposable
{
    /// <summary>Waits for it; the tensor has the sums then.</summary>
    public void Finish()
    {
        foreach (ref var request in CollectionsMarshal.AsSpan(requests))
        {
            group.Wait(ref request, part);
        }

        requests.Clear();
        if (onHost is not null && values.device_type != DeviceType.CPU)
        {
            using var frozen = torch.no_grad();
            values.copy_(onHost);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => onHost?.Dispose();
}

/// <summary>How a rank waits for the others. After the timeout those that did not come are named, and all are ended.</summary>
internal sealed class RankWatch(ProcessGroup ranks, OpenMpi mpi)
{
    private const int WaitingTag = 7;

    private static readonly TimeSpan spinning = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan roll = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan stopping = TimeSpan.FromSeconds(20); // Slurm sends SIGKILL 30 s after SIGTERM.

    private long askedToStop;

    private TimeSpan Patience =>
        askedToStop == 0 || ranks.Timeout < stopping || Stopwatch.GetElapsedTime(askedToStop) < stopping ? ranks.Timeout : stopping;

    /// <summary>From now on what is waited for must come soon.</summary>
    public void AskToStop() => askedToStop = Stopwatch.GetTimestamp();

    /// <summary>Waits for an operation that was begun.</summary>
    public void WaitFor(ref nint request)
    {
        var started = Stopwatch.GetTimestamp();
        while (!mpi.IsOver(ref request))
        {
            // Ranks that share a core must leave it to each other; a core of one's own answers sooner without sleep.
            var waited = Stopwatch.GetElapsedTime(started);
            if (waited > Patience)
            {
                NameTheMissing();
            }

            if (waited > spinning)
            {
                Thread.Sleep(0);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    // Whoever waits tells the others so, and after some seconds those that told nothing are the ones that did not come.
    private void NameTheMissing()
    {
        var others = Enumerable.Range(0, ranks.Size).Where(rank => rank != ranks.Rank).ToArray();
        Array.ForEach(others, rank => mpi.Signal(rank, WaitingTag));
        var waiting = new SortedSet<int> { ranks.Rank };
        var started = Stopwatch.GetTimestamp();
        while (waiting.Count < ranks.Size && Stopwatch.GetElapsedTime(started) < roll)
        {
            waiting.UnionWith(others.Where(rank => mpi.HasSignal(rank, WaitingTag)));
            Thread.Sleep(1);
        }

        var missing = Enumerable.Range(0, ranks.Size).Except(waiting).Select(ranks.NameOf).ToArray();
        if (waiting.Min == ranks.Rank)
        {
            ranks.End(missing.Length == 0
                ? "all ranks wait, for different things: they do not run the same program on the same recipe and images."
                : $"{string.Join(", ", missing)} did not come within {Patience.TotalSeconds:0} s: stopped, without a connection, or still at work. Look there, or give it more time with --rank-timeout.");
        }

        Thread.Sleep(roll);
        ranks.End(exitCode: 1);
    }
}

/// <summary>What ranks exchange messages for.</summary>
internal enum ExchangePart
{
    /// <summary>What all do next, and whether they have the same.</summary>
    Agreement,

    /// <summary>Statistics of BatchNorm, forward, and the sums of its backward pass.</summary>
    BatchNorm,

    /// <summary>What the network made of the rows of a batch.</summary>
    Outputs,

    /// <summary>The contrastive loss, and its gradient.</summary>
    ContrastiveLoss,

    /// <summary>Gradients of parameters.</summary>
    Gradients,

    /// <summary>What the network says about images that are evaluated.</summary>
    Evaluation,
}

/// <summary>What a part of the work has exchanged.</summary>
internal record struct ExchangeTally
{
    /// <summary>Collective operations.</summary>
    public long Operations { get; private set; }

    /// <summary>What this rank gave to them.</summary>
    public long Bytes { get; private set; }

    /// <summary>How long it waited for the results.</summary>
    public TimeSpan Wait { get; private set; }

    public void Count(long bytes) => (Operations, Bytes) = (Operations + 1, Bytes + bytes);

    /// <summary>Counts a wait.</summary>
    public void Waited(TimeSpan time) => Wait += time;

    /// <summary>What came since an earlier reading.</summary>
    public static ExchangeTally operator -(ExchangeTally later, ExchangeTally earlier) =>
        new() { Operations = later.Operations - earlier.Operations, Bytes = later.Bytes - earlier.Bytes, Wait = later.Wait - earlier.Wait };
}

/// <summary>What one of several ranks has of things in an order: consecutive ones, as many as every other rank has or one more, the ranks one after the other.</summary>
/// <param name="Rank">Number of the rank, from 0.</param>
/// <param name="Size">How many ranks there are.</param>
public readonly record struct RankShare(int Rank, int Size)
{
    /// <summary>Everything, where there is one rank.</summary>
    public static RankShare Whole { get; } = new(0, 1);

    /// <summary>The first of the rank's things, and how many they are.</summary>
    /// <param name="count">How many things there are.</param>
    public (int First, int Count) Of(int count)
    {
        var first = (int)((long)count * Rank / Size);
        return (first, (int)((long)count * (Rank + 1) / Size) - first);
    }
}
