using System.Diagnostics;
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
            model.Score(new ImageSet("images", pixels, [ImageSet.NoClass], []));
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

        var noClass = new int[batch.Count];
        Array.Fill(noClass, ImageSet.NoClass);
        var scores = model.Score(new ImageSet("images", pixels, noClass, []));
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

    /// <summary>Ends with the score, or with what kept the model from scoring.</summary>
    public Task<ImageScore> Answer => answer.Task;

    /// <summary>Hands the score to who waits for it.</summary>
    public void Finish(ImageScore score) => answer.TrySetResult(score);

    /// <summary>Hands on why there is no score.</summary>
    public void Fail(Exception exception) => answer.TrySetException(exception);
}
