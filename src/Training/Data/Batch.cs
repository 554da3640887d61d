using System.Runtime.InteropServices;
using Pascl.Kernels;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>
/// The input of one training step: <c>[view 1; view 2; outliers]</c> in one tensor, because BatchNorm must see them together. In the second
/// phase there is one view and there are no outliers.
/// </summary>
/// <param name="Images">
/// (Views * ClassifiedCount + OutlierCount, 3, H, W), float32 in [0, 1], stored channels last; or the features of a frozen backbone, (..., F, 1, 1). Where ranks share
/// the batch, the rows of <see cref="Share"/> alone; everything else is of the whole batch on every rank.
/// </param>
/// <param name="Labels">(ClassifiedCount), int64: the class of each in-distribution image, the same for every view.</param>
/// <param name="Views">Augmented views per in-distribution image, 1 to 3.</param>
public sealed record Batch(torch.Tensor Images, torch.Tensor Labels, int Views) : IDisposable
{
    private readonly long? outlierCount;

    /// <summary>The classes of <see cref="Labels"/> where the host can see them without waiting for a device.</summary>
    public IReadOnlyList<int> Classes { get; init; } = [];

    /// <summary>Which batch of the training it is; random choices of a step are drawn for this position.</summary>
    public BatchPosition Position { get; init; }

    /// <summary>(R), int64: the labels of R rows behind the outliers, which were mixed from the others; null where there are none.</summary>
    public torch.Tensor? MixedLabels { get; init; }

    /// <summary>Whose rows <see cref="Images"/> has.</summary>
    public RankShare Share { get; init; } = RankShare.Whole;

    /// <summary>In-distribution images, N.</summary>
    public long ClassifiedCount => Labels.shape[0];

    /// <summary>Outlier images, K; those rows that are left where nothing was said.</summary>
    public long OutlierCount
    {
        get => outlierCount ?? Images.shape[0] - (Views * ClassifiedCount) - (MixedLabels?.shape[0] ?? 0);
        init => outlierCount = value;
    }

    /// <summary>Rows of the whole batch.</summary>
    public long RowCount => Parts.Sum();

    // Each view of the images, the outliers, the mixed rows: a rank has a share of each.
    private int[] Parts =>
        [.. Enumerable.Repeat((int)ClassifiedCount, Views), (int)OutlierCount, .. MixedLabels is null ? Array.Empty<int>() : [(int)MixedLabels.shape[0]]];

    /// <summary>The numbers, in the whole batch, of the rows that a share has, in the order of its <see cref="Images"/>.</summary>
    internal int[] RowsOf(RankShare share)
    {
        var (rows, first) = (new List<int>(), 0);
        foreach (var part in Parts)
        {
            var own = share.Of(part);
            rows.AddRange(Enumerable.Range(first + own.First, own.Count));
            first += part;
        }

        return [.. rows];
    }

    /// <summary>A share of a batch of which every row is here, in the current dispose scope.</summary>
    internal Batch Take(RankShare share) => share == Share ? this : this with
    {
        OutlierCount = OutlierCount,
        Images = Images.permute(0, 2, 3, 1).index_select(0, HostUpload.Vector(RowsOf(share), Images.device)).permute(0, 3, 1, 2),
        Share = share,
    };

    /// <summary>
    /// The batch of the images <paramref name="chosen"/> whose pixels lie in a (rows, H, W, 3) tensor; it shares that memory and belongs to
    /// no scope.
    /// </summary>
    internal static Batch FromPixels(torch.Tensor pixels, ImageSet images, ReadOnlySpan<int> chosen, int views)
    {
        var labels = torch.empty(chosen.Length, torch.int64); // (N)
        var values = MemoryMarshal.Cast<byte, long>(labels.bytes);
        var classes = new int[chosen.Length];
        for (var i = 0; i < chosen.Length; i++)
        {
            values[i] = classes[i] = images.Labels[chosen[i]];
        }

        return new Batch(pixels.permute(0, 3, 1, 2).DetachFromDisposeScope(), labels.DetachFromDisposeScope(), views) { Classes = classes };
    }

    /// <summary>The batch on a device, where it is not there yet in the current dispose scope; the host does not wait for the device.</summary>
    internal Batch To(torch.Device device) => this with
    {
        Images = HostUpload.To(Images, device),
        Labels = HostUpload.To(Labels, device),
        MixedLabels = MixedLabels is null ? null : HostUpload.To(MixedLabels, device),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        Images.Dispose();
        Labels.Dispose();
        MixedLabels?.Dispose();
    }
}

/// <summary>What the batches of training consist of and how they are prepared.</summary>
public sealed record BatchPlan
{
    /// <summary>In-distribution images in a batch, N.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Outlier images in a batch, K; 0 without outliers.</summary>
    public int OutlierBatchSize { get; init; }

    /// <summary>Augmented views of every in-distribution image, 1 to 3. Outliers have one.</summary>
    public int Views { get; init; } = 1;

    /// <summary>The part of an image that a view shows; null for a crop of the square behind a border, by <see cref="Augmentation"/>.</summary>
    public RandomResizedCrop? Crop { get; init; }

    /// <summary>How images are changed at random.</summary>
    public AugmentationSettings Augmentation { get; init; } = AugmentationSettings.Cifar;

    /// <summary>Seed of the order of the images and of their augmentation.</summary>
    public ulong Seed { get; init; }

    /// <summary>How often an epoch shows the images of each class; outliers are always shown alike.</summary>
    public ClassSampling Sampling { get; init; }

    /// <summary>Epochs of the phase, over which <see cref="ClassSampling.ProgressivelyBalanced"/> goes from one sampling to the other.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Whose rows of every batch are made.</summary>
    public RankShare Share { get; init; } = RankShare.Whole;

    /// <summary>The rows of every batch that a share has.</summary>
    internal int RowsOf(RankShare share) => (Views * share.Of(BatchSize).Count) + share.Of(OutlierBatchSize).Count;

    /// <summary>Background threads that prepare batches. The batches are the same for any number.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>One worker of four cores, eight at most. On two cores a step waits less than half a per cent of its time for it (RESULTS.md); on many cores it was not measured.</summary>
    public static int WorkersForCores(int cores) => Math.Clamp(cores / 4, 1, 8);

    /// <summary>Batches prepared ahead of the training step; fewer, but at least one, where they would take more than 256 MiB.</summary>
    public int Prefetch { get; init; } = 4;
}

/// <summary>Builds any batch of one epoch; safe to call from several threads at once. The labels of the epoch are one tensor, of which each batch has a part.</summary>
internal sealed class BatchBuilder : IDisposable
{
    private readonly ImageSet training;
    private readonly AugmentedViews trainingViews;
    private readonly AugmentedViews? outlierViews;
    private readonly BatchPlan plan;
    private readonly BatchPosition first;
    private readonly int[] classes;
    private readonly torch.Tensor labels;

    /// <summary>Draws the epoch's order.</summary>
    /// <param name="training">The in-distribution images.</param>
    /// <param name="trainingViews">Makes their views.</param>
    /// <param name="outlierViews">Makes the views of outliers; null without them.</param>
    /// <param name="outlierCount">Outliers there are.</param>
    /// <param name="plan">What a batch consists of.</param>
    /// <param name="first">The epoch, and its length.</param>
    /// <param name="device">Where the labels are wanted.</param>
    public BatchBuilder(
        ImageSet training, AugmentedViews trainingViews, AugmentedViews? outlierViews, int outlierCount, BatchPlan plan, BatchPosition first, torch.Device device)
    {
        (this.training, this.trainingViews, this.outlierViews, this.plan, this.first) = (training, trainingViews, outlierViews, plan, first);
        var order = EpochOrder.Of(training, plan, first.Epoch);
        trainingViews.Begin(order);
        outlierViews?.Begin(EpochOrder.Permutation(outlierCount, plan.Seed, first.Epoch, RandomStream.OutlierOrder));
        classes = Array.ConvertAll(order, image => training.Labels[image]);
        using var scope = torch.NewDisposeScope();
        labels = HostUpload.Vector(classes, device).DetachFromDisposeScope(); // (images)
    }

    /// <summary>
    /// Builds the batch at position <paramref name="step"/> of the epoch, rows [view 1; view 2; outliers], or the plan's share of each; its tensors belong to no dispose
    /// scope.
    /// </summary>
    public Batch Build(int step)
    {
        using var scope = torch.NewDisposeScope();
        var start = step * plan.BatchSize;
        var (images, outliers) = (plan.Share.Of(plan.BatchSize), plan.Share.Of(plan.OutlierBatchSize));
        var (height, width, channels) = trainingViews.Shape;
        var pixels = torch.empty(plan.RowsOf(plan.Share), height, width, channels, device: trainingViews.Device); // (Views * N + K, H, W, 3)
        var firstViews = Math.Min(2, plan.Views);
        trainingViews.MakeAll(start + images.First, first.Epoch, RandomStream.FirstView, firstViews, pixels.narrow(0, 0, firstViews * images.Count));
        if (plan.Views == 3)
        {
            trainingViews.Make(start + images.First, first.Epoch, RandomStream.ThirdView, pixels.narrow(0, 2 * images.Count, images.Count));
        }

        outlierViews?.Make(
            (step * plan.OutlierBatchSize) + outliers.First, first.Epoch, RandomStream.Outlier, pixels.narrow(0, plan.Views * images.Count, outliers.Count));

        // The data thread pins what the step will move, so that the step has nothing to wait for.
        return new Batch(
            HostUpload.Prepare(pixels, labels.device).permute(0, 3, 1, 2).DetachFromDisposeScope(),
            labels.narrow(0, start, plan.BatchSize).DetachFromDisposeScope(),
            plan.Views)
        {
            Classes = classes[start..(start + plan.BatchSize)],
            OutlierCount = plan.OutlierBatchSize,
            Share = plan.Share,
            Position = first with { Step = step },
        };
    }

    /// <inheritdoc/>
    public void Dispose() => labels.Dispose();
}

/// <summary>Which batch of a phase it is.</summary>
/// <param name="Epoch">Epoch, from 0.</param>
/// <param name="Step">Batch within the epoch, from 0.</param>
/// <param name="StepsPerEpoch">Batches in an epoch.</param>
public readonly record struct BatchPosition(int Epoch, int Step, int StepsPerEpoch)
{
    /// <summary>The epochs that the phase will have finished after this batch, with fractions.</summary>
    public double EpochsAfter => Epoch + ((Step + 1.0) / StepsPerEpoch);
}

/// <summary>Batches for evaluation: every image once, in order, unchanged.</summary>
public static class EvaluationBatches
{
    /// <summary>
    /// The images of a set in batches with their labels; the last batch may be smaller. The caller disposes each; they belong to no dispose
    /// scope.
    /// </summary>
    /// <param name="images">The images.</param>
    /// <param name="batchSize">Images in a batch.</param>
    /// <param name="share">Which of the batches are wanted; null for all.</param>
    public static IEnumerable<Batch> Of(ImageSet images, int batchSize, RankShare? share = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        var (first, count) = (share ?? RankShare.Whole).Of((images.Count + batchSize - 1) / batchSize);
        int[][] batches = [.. Enumerable.Range(0, images.Count).Chunk(batchSize).Skip(first).Take(count)];
        return images.IsStreamed ? Ahead(images, batches) : batches.Select(chosen => Build(images, chosen));
    }

    // Decoded on all cores while the batch before is in use; at most three are in memory.
    private static IEnumerable<Batch> Ahead(ImageSet images, int[][] batches)
    {
        using var ahead = new Prefetcher<Batch>(number => Build(images, batches[number]), 0, batches.Length, workers: 1, depth: 1);
        foreach (var _ in batches)
        {
            yield return ahead.Next();
        }
    }

    /// <summary>
    /// The sizes of batches that decide how a convolution is computed: the full one, and of the smaller last ones the smallest of several images and that of one.
    /// </summary>
    /// <param name="sets">The images.</param>
    /// <param name="batchSize">Images in a full batch.</param>
    internal static IEnumerable<int> Sizes(IEnumerable<ImageSet> sets, int batchSize)
    {
        var counts = sets.Select(set => set.Count).Where(count => count > 0).ToArray();
        var last = counts.Select(count => count % batchSize).Where(count => count > 0).ToArray();
        return (counts.Any(count => count >= batchSize) ? [batchSize] : Array.Empty<int>())
            .Concat(last.Where(count => count > 1).Order().Take(1))
            .Concat(last.Where(count => count == 1).Take(1));
    }

    /// <summary>Does something with every batch of images on a device, each in a dispose scope of its own.</summary>
    /// <param name="images">The images.</param>
    /// <param name="batchSize">Images in a batch.</param>
    /// <param name="device">Where the batches go.</param>
    /// <param name="use">Receives (batch, 3, H, W) in [0, 1], or (batch, F, 1, 1) where the images have features.</param>
    /// <param name="share">Which of the batches are used; null for all.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static void ForEach(
        ImageSet images, int batchSize, torch.Device device, Action<torch.Tensor> use, RankShare? share = null, CancellationToken cancellation = default)
    {
        foreach (var batch in Of(images, batchSize, share))
        {
            using (batch)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = torch.NewDisposeScope();
                use(batch.Images.to(device));
            }
        }
    }

    private static Batch Build(ImageSet images, int[] chosen)
    {
        if (images.Features is { HasPlain: true } features)
        {
            return BuildFeatures(images, features, chosen);
        }

        using var pixels = torch.empty(chosen.Length, images.Height, images.Width, PixelBlock.Channels); // (N, H, W, 3)
        if (images.IsStreamed)
        {
            Decode(images, chosen, pixels);
        }
        else
        {
            var destination = MemoryMarshal.Cast<byte, float>(pixels.bytes);
            foreach (var image in chosen)
            {
                Augmentation.ToUnit(images.Pixels(image), destination);
                destination = destination[images.Pixels(image).Length..];
            }
        }

        return Batch.FromPixels(pixels, images, chosen, views: 1);
    }

    private static void Decode(ImageSet images, int[] chosen, torch.Tensor pixels)
    {
        var length = images.Height * images.Width * PixelBlock.Channels;
        try
        {
            Parallel.For(
                0, chosen.Length, () => new byte[length],
                (row, _, decoded) =>
                {
                    images.Read(chosen[row], decoded);
                    Augmentation.ToUnit(decoded, MemoryMarshal.Cast<byte, float>(pixels.bytes).Slice(row * length, length));
                    return decoded;
                },
                _ => { });
        }
        catch (AggregateException several)
        {
            // Of several broken files the first is named, as where one is decoded after the other.
            throw several.InnerExceptions.OfType<InputException>().MinBy(fault => fault.Message, StringComparer.Ordinal) ?? (Exception)several;
        }
    }

    private static Batch BuildFeatures(ImageSet images, FeatureRows features, int[] chosen)
    {
        using var rows = torch.empty(chosen.Length, 1, 1, features.Width); // (N, 1, 1, F)
        var destination = MemoryMarshal.Cast<byte, float>(rows.bytes);
        foreach (var image in chosen)
        {
            features[image].CopyTo(destination);
            destination = destination[features.Width..];
        }

        return Batch.FromPixels(rows, images, chosen, views: 1);
    }
}
