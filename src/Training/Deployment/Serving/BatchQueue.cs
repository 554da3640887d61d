using System.Collections.Concurrent;
using System.Diagnostics;
using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Serving;

/// <summary>
/// Collects the images of concurrent requests into batches and scores them on threads of its own: libtorch keeps a team of threads for each thread that calls it. What
/// arrives while all threads score makes up the next batch; an image alone waits a moment for others.
/// </summary>
internal sealed class BatchQueue : IDisposable
{
    private readonly BlockingCollection<PendingImage> pending = [];
    private readonly ScoringModel model;
    private readonly ServeSettings settings;
    private readonly ServerMetrics metrics;
    private readonly Thread[] workers;

    /// <summary>Begins to wait for images.</summary>
    public BatchQueue(ScoringModel model, ServeSettings settings, ServerMetrics metrics)
    {
        (this.model, this.settings, this.metrics) = (model, settings, metrics);
        workers = [.. Enumerable.Range(0, settings.Workers).Select(worker => new Thread(Run) { IsBackground = true, Name = $"scores {worker}" })];
        Array.ForEach(workers, worker => worker.Start());
    }

    /// <summary>Whether images are still being scored.</summary>
    public bool IsAlive => workers.All(worker => worker.IsAlive);

    /// <summary>Scores an image with others.</summary>
    /// <param name="pixels">(size, size, 3) bytes of the model's image size.</param>
    /// <param name="cancellation">Takes the image out of the queue where its batch has not begun.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public Task<ImageScore> Score(byte[] pixels, CancellationToken cancellation)
    {
        var image = new PendingImage(pixels, cancellation);
        pending.Add(image, cancellation);
        return image.Answer.WaitAsync(cancellation);
    }

    /// <summary>Scores what is waiting and ends the threads.</summary>
    public void Dispose()
    {
        pending.CompleteAdding();
        Array.ForEach(workers, worker => worker.Join());
        pending.Dispose();
    }

    private void Run()
    {
        foreach (var first in pending.GetConsumingEnumerable())
        {
            var batch = Collect(first).FindAll(image => !image.Cancellation.IsCancellationRequested);
            metrics.Waiting(pending.Count);
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
