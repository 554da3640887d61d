using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Pascl.Training.Data;

/// <summary>
/// Builds items of consecutive numbers on background threads ahead of the caller and hands them out in order. Of n threads each builds
/// every n-th number into a bounded queue of its own, so order needs no bookkeeping and a slow caller stops the threads.
/// </summary>
internal sealed class Prefetcher<T> : IDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly BlockingCollection<T>[] queues;
    private readonly ExceptionDispatchInfo?[] failures;
    private readonly Thread[] threads;
    private int taken;

    public Prefetcher(Func<int, T> build, int first, int end, int workers, int depth)
    {
        queues = [.. Enumerable.Range(0, workers).Select(_ => new BlockingCollection<T>((depth + workers - 1) / workers))];
        failures = new ExceptionDispatchInfo?[workers];
        threads = [.. Enumerable.Range(0, workers).Select(worker =>
            new Thread(() => Run(build, worker, first + worker, end)) { IsBackground = true, Name = $"batches {worker}" })];
        foreach (var thread in threads)
        {
            thread.Start();
        }
    }

    /// <summary>Waits for the next result; throws what <c>build</c> threw for it.</summary>
    public T Next()
    {
        var worker = taken++ % queues.Length;
        if (queues[worker].TryTake(out var item, Timeout.Infinite))
        {
            return item;
        }

        failures[worker]?.Throw();
        throw new InvalidOperationException("Every result has been taken.");
    }

    /// <summary>Ends the threads and disposes the results that nobody took, where they can be.</summary>
    public void Dispose()
    {
        stop.Cancel();
        foreach (var thread in threads)
        {
            thread.Join();
        }

        foreach (var queue in queues)
        {
            while (queue.TryTake(out var item))
            {
                (item as IDisposable)?.Dispose();
            }

            queue.Dispose();
        }

        stop.Dispose();
    }

    private void Run(Func<int, T> build, int worker, int first, int end)
    {
        try
        {
            for (var number = first; number < end && !stop.IsCancellationRequested; number += queues.Length)
            {
                Hand(queues[worker], build(number));
            }
        }
        catch (Exception exception)
        {
            failures[worker] = ExceptionDispatchInfo.Capture(exception);
        }
        finally
        {
            queues[worker].CompleteAdding();
        }
    }

    private void Hand(BlockingCollection<T> queue, T item)
    {
        try
        {
            queue.Add(item, stop.Token);
        }
        catch (OperationCanceledException)
        {
            (item as IDisposable)?.Dispose();
        }
    }
}
