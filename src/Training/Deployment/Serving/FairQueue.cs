using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// Items that wait for threads, in fair turns between those who sent them: a thousand items of one sender do not delay the single item of another, and what costs
/// little comes before what costs much. This is self-clocked fair queueing (Golestani, 1994): an item is due once its sender, served at the same rate as every
/// other, would have had it; so nobody waits for ever either.
/// </summary>
internal sealed class FairQueue<T>
{
    private readonly object gate = new();
    private readonly PriorityQueue<T, (double Due, long Number)> waiting = new();
    private double now;
    private long number;
    private bool complete;

    /// <summary>How many items wait.</summary>
    public int Count
    {
        get
        {
            lock (gate)
            {
                return waiting.Count;
            }
        }
    }

    /// <summary>Adds an item.</summary>
    /// <param name="item">The item.</param>
    /// <param name="turns">Its sender's turns in this queue and in no other.</param>
    /// <param name="cost">What the item costs, above 0, in any unit that all items share.</param>
    public void Add(T item, SenderTurns turns, double cost)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(complete, this);
            turns.Due = Math.Max(now, turns.Due) + cost;
            waiting.Enqueue(item, (turns.Due, number++));
            Monitor.Pulse(gate);
        }
    }

    /// <summary>Takes the item that is due first, and waits for one.</summary>
    /// <param name="item">The item.</param>
    /// <param name="patience">How long to wait; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Whether there was one; without a limit of time false means that none will come any more.</returns>
    public bool TryTake([MaybeNullWhen(false)] out T item, TimeSpan patience)
    {
        var start = Stopwatch.GetTimestamp();
        lock (gate)
        {
            while (waiting.Count == 0)
            {
                var left = patience == Timeout.InfiniteTimeSpan ? patience : patience - Stopwatch.GetElapsedTime(start);
                if (complete || (left <= TimeSpan.Zero && left != Timeout.InfiniteTimeSpan))
                {
                    item = default;
                    return false;
                }

                Monitor.Wait(gate, left);
            }

            waiting.TryDequeue(out item!, out var order);
            now = Math.Max(now, order.Due);
            return true;
        }
    }

    /// <summary>Says that no items will come any more; those that wait are still given out.</summary>
    public void Complete()
    {
        lock (gate)
        {
            complete = true;
            Monitor.PulseAll(gate);
        }
    }
}

/// <summary>How far a sender has come in one <see cref="FairQueue{T}"/>.</summary>
internal sealed class SenderTurns
{
    /// <summary>When the sender's last item is due, in the queue's time.</summary>
    internal double Due { get; set; }
}
