using System.Runtime.InteropServices;
using Pascl.Kernels;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training.Data;

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
