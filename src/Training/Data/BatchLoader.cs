using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Pascl.Training.Devices;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>
/// Batches for training, prepared ahead of the step on background threads. The content of a batch depends only on the seed, the epoch and
/// its position, never on the number of threads, so an epoch can be resumed at any step.
/// </summary>
public sealed class BatchLoader : IDisposable
{
    private const long MostPrefetched = 256 << 20;

    private readonly ImageSet training;
    private readonly ImageSet? outliers;
    private readonly BatchPlan plan;
    private readonly ComputeDevice? device;
    private AugmentedViews? trainingViews;
    private AugmentedViews? outlierViews;
    private long waitTicks;

    /// <summary>Checks that the plan and the images fit together.</summary>
    /// <param name="training">In-distribution images with their labels.</param>
    /// <param name="outliers">Outlier images of the same size, or null where the plan has none.</param>
    /// <param name="plan">What a batch consists of.</param>
    /// <param name="device">
    /// Where the labels are wanted, and where to augment, if it has kernels and room for all images; otherwise threads of the CPU augment. Null for the CPU.
    /// </param>
    /// <exception cref="InputException">The plan's numbers make no sense, the image sizes differ, or a set has fewer images than a batch
    /// needs.</exception>
    public BatchLoader(ImageSet training, ImageSet? outliers, BatchPlan plan, ComputeDevice? device = null)
    {
        (this.training, this.outliers, this.plan, this.device) = (training, plan.OutlierBatchSize == 0 ? null : outliers, plan, device);
        Check();
        StepsPerEpoch = training.Count / plan.BatchSize;
        if (this.outliers is not null)
        {
            StepsPerEpoch = Math.Min(StepsPerEpoch, this.outliers.Count / plan.OutlierBatchSize);
        }
    }

    /// <summary>Batches in an epoch: min(N_id / N, N_out / K). The remaining images wait for another epoch.</summary>
    public int StepsPerEpoch { get; }

    /// <summary>How long <see cref="Epoch"/> has kept its caller waiting for batches, in all epochs so far.</summary>
    public TimeSpan WaitTime => TimeSpan.FromTicks(waitTicks);

    /// <summary>Told of every prepared batch on the thread that prepared it: its number, and when that began by <see cref="Stopwatch"/>.</summary>
    internal Action<int, long>? Prepared { get; set; }

    /// <summary>
    /// The batches of an epoch in order. The caller disposes each; they belong to no dispose scope. Leaving the loop early stops the
    /// background threads and frees what they prepared. An exception on a background thread is thrown here.
    /// </summary>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="firstStep">First batch wanted, to resume inside an epoch.</param>
    public IEnumerable<Batch> Epoch(int epoch, int firstStep = 0)
    {
        var started = Stopwatch.GetTimestamp();
        if (trainingViews is null)
        {
            // Asked once for both sets: the first one, uploaded, takes the memory that the second question would be about.
            var onDevice = training.Features is null && device?.Kernels is { } kernels && DeviceViews.Fit(kernels, plan, outliers is null ? [training] : [training, outliers]);
            trainingViews = Views(training, onDevice);
            outlierViews = outliers is null ? null : Views(outliers, onDevice);
        }

        using var builder = new BatchBuilder(
            training, trainingViews, outlierViews, outliers?.Count ?? 0, plan, new BatchPosition(epoch, 0, StepsPerEpoch), device?.Torch ?? torch.CPU);
        using var ahead = new Prefetcher<Batch>(Build, firstStep, StepsPerEpoch, plan.Workers, Depth());
        for (var step = firstStep; step < StepsPerEpoch; step++)
        {
            var batch = ahead.Next();
            waitTicks += Stopwatch.GetElapsedTime(started).Ticks;
            yield return batch;
            started = Stopwatch.GetTimestamp();
        }

        Batch Build(int number)
        {
            var began = Stopwatch.GetTimestamp();
            var batch = builder.Build(number);
            Prepared?.Invoke(number, began);
            return batch;
        }
    }

    // Batches of photographs are large: as many as plan.Prefetch of small images are a few megabytes.
    private int Depth()
    {
        return (int)Math.Clamp(MostPrefetched / ((long)plan.RowsOf(plan.Share) * training.Height * training.Width * PixelBlock.Channels * sizeof(float)), 1, plan.Prefetch);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        trainingViews?.Dispose();
        outlierViews?.Dispose();
    }

    private AugmentedViews Views(ImageSet images, bool onDevice) =>
        images.Features is { } features ? new FeatureViews(features, plan) : onDevice ? new DeviceViews(images, plan, device!) : new HostViews(images, plan);

    private void Check()
    {
        Require(plan.BatchSize >= 1, $"The batch size is {plan.BatchSize}; it must be at least 1.");
        Require(plan.OutlierBatchSize >= 0, $"The outlier batch size is {plan.OutlierBatchSize}; it must be 0 (no outliers) or more.");
        Require(plan.Views is >= 1 and <= 3, $"The number of views is {plan.Views}; it must be 1, 2 or 3.");
        Require(plan.Workers >= 1, $"The number of data threads is {plan.Workers}; it must be at least 1.");
        Require(plan.Prefetch >= 1, $"The number of batches prepared ahead is {plan.Prefetch}; it must be at least 1.");
        Require(
            Math.Min(plan.BatchSize, plan.OutlierBatchSize == 0 ? plan.BatchSize : plan.OutlierBatchSize) >= plan.Share.Size,
            $"A batch of {plan.BatchSize} images and {plan.OutlierBatchSize} outliers is too small for {plan.Share.Size} ranks, each of which takes one of both at least; start fewer.");
        RequireBatch(training, plan.BatchSize, "training images", "batch size");
        if (plan.OutlierBatchSize > 0)
        {
            Require(
                outliers is not null,
                $"The outlier batch size is {plan.OutlierBatchSize}, but no outlier images are given; name some or set it to 0.");
            RequireBatch(outliers!, plan.OutlierBatchSize, "outlier images", "outlier batch size");
            Require(
                (outliers!.Height, outliers.Width) == (training.Height, training.Width),
                $"The outlier images ({outliers.Name}) are {outliers.Height}x{outliers.Width} pixels, "
                + $"but the training images ({training.Name}) are {training.Height}x{training.Width}; both must have one size.");
        }
    }

    private static void RequireBatch(ImageSet images, int batchSize, string what, string option) => Require(
        images.Count >= batchSize,
        $"There are {images.Count} {what} ({images.Name}), but one batch takes {batchSize}; add images or choose a smaller {option}.");

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InputException(message);
        }
    }
}

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
