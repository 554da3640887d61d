using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// Collects the images of concurrent requests into batches and scores them on threads of its own: libtorch keeps a team of threads for each thread that calls it. What
/// arrives while all threads score makes up the next batch; an image alone waits a moment for others.
/// </summary>
internal sealed class BatchQueue : IDisposable
{
    private readonly FairQueue<PendingImage> pending = new();
    private readonly ScoringModel model;
    private readonly ServeSettings settings;
    private readonly ServerMetrics metrics;
    private readonly Thread[] workers;
    private readonly CountdownEvent cold;

    /// <summary>Begins to wait for images.</summary>
    public BatchQueue(ScoringModel model, ServeSettings settings, ServerMetrics metrics)
    {
        (this.model, this.settings, this.metrics) = (model, settings, metrics);
        cold = new CountdownEvent(settings.Workers);
        workers = [.. Enumerable.Range(0, settings.Workers).Select(worker => new Thread(Run) { IsBackground = true, Name = $"scores {worker}" })];
        Array.ForEach(workers, worker => worker.Start());
    }

    /// <summary>Whether images are still being scored.</summary>
    public bool IsAlive => workers.All(worker => worker.IsAlive);

    public int Waiting => pending.Count;

    /// <summary>Waits until every thread has scored once: the first time takes ten times as long as those after it.</summary>
    public void WaitUntilWarm() => cold.Wait();

    /// <summary>Scores an image with others.</summary>
    /// <param name="pixels">(size, size, 3) bytes of the model's image size.</param>
    /// <param name="turns">The turns of its request, so that a hundred images of one do not delay those of another.</param>
    /// <param name="cancellation">Takes the image out of the queue where its batch has not begun.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public Task<ImageScore> Score(byte[] pixels, SenderTurns turns, CancellationToken cancellation)
    {
        var image = new PendingImage(pixels, cancellation);
        pending.Add(image, turns, 1);
        return image.Answer.WaitAsync(cancellation);
    }

    /// <summary>Scores what is waiting and ends the threads.</summary>
    public void Dispose()
    {
        pending.Complete();
        Array.ForEach(workers, worker => worker.Join());
        cold.Dispose();
    }

    private void Run()
    {
        WarmUp();
        while (pending.TryTake(out var first, Timeout.InfiniteTimeSpan))
        {
            var batch = Collect(first).FindAll(image => !image.Cancellation.IsCancellationRequested);
            if (batch.Count == 0)
            {
                continue;
            }

            try
            {
                Score(batch);
            }
            catch (Exception exception)
            {
                batch.ForEach(image => image.Fail(exception));
            }
        }
    }

    private void WarmUp()
    {
        try
        {
            using var pixels = new PixelBlock(1, model.ImageSize, model.ImageSize);
            model.Score(pixels);
        }
        catch (Exception)
        {
            // Whoever asks first is told of it.
        }
        finally
        {
            cold.Signal();
        }
    }

    private List<PendingImage> Collect(PendingImage first)
    {
        List<PendingImage> batch = [first];
        var start = Stopwatch.GetTimestamp();
        while (batch.Count < settings.BatchSize && pending.TryTake(out var next, Left(start)))
        {
            batch.Add(next);
        }

        return batch;
    }

    private TimeSpan Left(long start) => settings.Wait - Stopwatch.GetElapsedTime(start) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    private void Score(List<PendingImage> batch)
    {
        using var pixels = new PixelBlock(batch.Count, model.ImageSize, model.ImageSize);
        for (var i = 0; i < batch.Count; i++)
        {
            batch[i].Pixels.CopyTo(pixels.Writable(i));
        }

        var scores = model.Score(pixels);
        metrics.Scored(scores);
        for (var i = 0; i < batch.Count; i++)
        {
            batch[i].Finish(scores[i]);
        }
    }
}

/// <summary>An image that waits for its batch.</summary>
/// <param name="Pixels">(size, size, 3) bytes.</param>
/// <param name="Cancellation">Set when nobody waits for the answer any more.</param>
internal sealed record PendingImage(byte[] Pixels, CancellationToken Cancellation)
{
    // Continuations must not run on the thread that scores.
    private readonly TaskCompletionSource<ImageScore> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<ImageScore> Answer => answer.Task;

    public void Finish(ImageScore score) => answer.TrySetResult(score);

    public void Fail(Exception exception) => answer.TrySetException(exception);
}

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
