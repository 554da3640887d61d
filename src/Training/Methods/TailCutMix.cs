using Pascl.Training.Data;
using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>
/// EAT's tail CutMix (Wei et al., AAAI 2024): a box of a tail image is pasted onto the same place of another image of the batch, and the mixture has the tail
/// image's label alone. With T tail and H head images among the N of the batch, and q = H div T, the backgrounds are
/// <code>
/// the first qT head images in view 1, then in view 2;  their foregrounds the tail images in view 1 q times, then in view 2 q times
/// the first (min(N, K) div T) T outliers;              their foregrounds the tail images in view 1, as often
/// </code>
/// One box per batch and kind of background, drawn for the seed and the batch's position.
/// </summary>
internal sealed class TailCutMix(bool[] tailFlags, bool[] headFlags, ulong seed)
{
    /// <summary>
    /// The batch with the mixed rows behind its outliers, in the current dispose scope. Without a tail image it stays as it is; with fewer head than tail
    /// images, or fewer outliers, that kind of background is left out.
    /// </summary>
    /// <param name="batch">Two views of N images, and outliers.</param>
    public Batch Append(Batch batch)
    {
        int[] tail = [.. Rows(batch, tailFlags)];
        int[] head = [.. Rows(batch, headFlags)];
        var images = batch.Classes.Count;
        var onHead = tail.Length == 0 ? 0 : head.Length / tail.Length * tail.Length;
        var onOutliers = tail.Length == 0 ? 0 : Math.Min(images, (int)batch.OutlierCount) / tail.Length * tail.Length;
        if (onHead + onOutliers == 0)
        {
            return batch;
        }

        // Channels last, as the images are stored, so that the rows can be joined without changing their order in memory.
        var pixels = batch.Images.permute(0, 2, 3, 1); // (2N + K, H, W, 3)
        var rows = new List<Tensor> { pixels };
        if (onHead > 0)
        {
            var firstView = Repeat(tail, onHead);
            rows.Add(Paste(
                pixels, [.. firstView, .. firstView.Select(row => row + images)], [.. head.Take(onHead), .. head.Take(onHead).Select(row => row + images)],
                batch.Position, RandomStream.BoxOnHead));
        }

        if (onOutliers > 0)
        {
            rows.Add(Paste(
                pixels, Repeat(tail, onOutliers), [.. Enumerable.Range(2 * images, onOutliers)], batch.Position, RandomStream.BoxOnOutliers));
        }

        long[] labels = [.. Repeat(tail, onHead).Concat(Repeat(tail, onHead)).Concat(Repeat(tail, onOutliers)).Select(row => (long)batch.Classes[row])];
        return batch with { Images = cat(rows).permute(0, 3, 1, 2), MixedLabels = HostUpload.Vector(labels, batch.Images.device) };
    }

    private Tensor Paste(Tensor pixels, int[] foregrounds, int[] backgrounds, BatchPosition position, int stream)
    {
        using var scope = NewDisposeScope();
        var (height, width) = ((int)pixels.shape[1], (int)pixels.shape[2]);
        var box = CutMixBox.Draw(height, width, new RandomSequence(seed, position.Epoch, position.Step, stream));
        var mixed = pixels.index_select(0, HostUpload.Vector(backgrounds, pixels.device)); // (rows, H, W, 3)
        if (box.Pixels > 0)
        {
            var source = pixels.index_select(0, HostUpload.Vector(foregrounds, pixels.device));
            Cut(mixed, box).copy_(Cut(source, box));
        }

        return mixed.MoveToOuterDisposeScope();
    }

    private static Tensor Cut(Tensor pixels, CutMixBox box) =>
        pixels.narrow(1, box.Top, box.Bottom - box.Top).narrow(2, box.Left, box.Right - box.Left);

    private static int[] Repeat(int[] rows, int count) => [.. Enumerable.Range(0, count).Select(i => rows[i % rows.Length])];

    private static IEnumerable<int> Rows(Batch batch, bool[] flags) => Enumerable.Range(0, batch.Classes.Count).Where(row => flags[batch.Classes[row]]);
}

/// <summary>The part of an image that CutMix replaces, from <c>Left</c> and <c>Top</c> to before <c>Right</c> and <c>Bottom</c>.</summary>
internal readonly record struct CutMixBox(int Left, int Top, int Right, int Bottom)
{
    // Parameter of the Beta distribution in EAT's release.
    private const double Alpha = 0.9999;

    /// <summary>Pixels in the box; 0 where it is empty.</summary>
    public int Pixels => (Right - Left) * (Bottom - Top);

    /// <summary>A box whose sides are sqrt(1 - share) of the image's, with lambda as the share that stays, about a centre; clipped to the image.</summary>
    public static CutMixBox Around(int centreX, int centreY, int height, int width, double staying)
    {
        var side = Math.Sqrt(1 - staying);
        var (halfWidth, halfHeight) = ((int)(width * side) / 2, (int)(height * side) / 2);
        return new CutMixBox(
            Math.Clamp(centreX - halfWidth, 0, width), Math.Clamp(centreY - halfHeight, 0, height),
            Math.Clamp(centreX + halfWidth, 0, width), Math.Clamp(centreY + halfHeight, 0, height));
    }

    /// <summary>A random box: the share that stays is from Beta(0.9999, 0.9999), the centre is uniform over the pixels.</summary>
    public static CutMixBox Draw(int height, int width, RandomSequence random)
    {
        var staying = StayingShare(ref random);
        return Around(random.Below(width), random.Below(height), height, width, staying);
    }

    /// <summary>
    /// A number from Beta(0.9999, 0.9999), by M. D. Jöhnk 1964: x / (x + y) of two powers of uniform numbers, given that x + y is at most 1; every second pair is.
    /// </summary>
    public static double StayingShare(ref RandomSequence random)
    {
        while (true)
        {
            var x = Math.Pow(random.Between(0, 1), 1 / Alpha);
            var y = Math.Pow(random.Between(0, 1), 1 / Alpha);
            if (x + y is > 0 and <= 1)
            {
                return x / (x + y);
            }
        }
    }
}
