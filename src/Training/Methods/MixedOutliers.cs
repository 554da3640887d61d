using Pascl.Training.Data;
using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>
/// Outliers mixed from the images of a batch (the idea of RICASSO, arXiv 2410.10548, whose definition was not at hand): row k of K is
/// <code>
/// x = a x_i + (1 - a) x_j,        i: an image of the first view;  j: one of another class, of the last view;  a: uniform in [least share, 1 - least share)
/// </code>
/// i is uniform over the images of the batch and j over those of other classes, so that an image of any class is mixed as often as the batch has it. All are drawn for the
/// seed and the batch's position: they are the same in a resumed run and on every rank.
/// </summary>
/// <param name="settings">The least share.</param>
/// <param name="count">K.</param>
/// <param name="seed">Seed of the drawing.</param>
internal sealed class MixedOutliers(VirtualOutlierRecipe settings, int count, ulong seed)
{
    /// <summary>
    /// The batch with K mixed rows behind its own, as outliers, in the current dispose scope. A batch of one class stays as it is: there is nothing between two classes in it.
    /// </summary>
    /// <param name="batch">Views of N images, every row of them.</param>
    public Batch Append(Batch batch)
    {
        var mixtures = Draw(batch.Classes, batch.Position);
        if (mixtures.Length == 0)
        {
            return batch;
        }

        using var scope = NewDisposeScope();
        var (images, device) = (batch.Classes.Count, batch.Images.device);

        // Channels last, as the images are stored, so that the rows can be joined without changing their order in memory.
        var pixels = batch.Images.permute(0, 2, 3, 1); // (Views * N, H, W, 3)
        var first = pixels.index_select(0, HostUpload.Vector(Array.ConvertAll(mixtures, mixture => mixture.First), device)); // (K, H, W, 3)
        var lastView = (batch.Views - 1) * images;
        var second = pixels.index_select(0, HostUpload.Vector(Array.ConvertAll(mixtures, mixture => lastView + mixture.Second), device));
        var share = HostUpload.Vector(Array.ConvertAll(mixtures, mixture => (double)mixture.Share), device).to(pixels.dtype).reshape(-1, 1, 1, 1); // (K, 1, 1, 1)
        var joined = cat([pixels, (first * share) + (second * (1 - share))]).permute(0, 3, 1, 2);
        return batch with { Images = joined.MoveToOuterDisposeScope(), OutlierCount = batch.OutlierCount + mixtures.Length };
    }

    /// <summary>Which images are mixed, and how; none where all are of one class.</summary>
    /// <param name="classes">(N): the classes of the images.</param>
    /// <param name="position">The batch's.</param>
    internal Mixture[] Draw(IReadOnlyList<int> classes, BatchPosition position)
    {
        // By class, so that the images of one class are a range that the drawing of another image leaves out.
        int[] byClass = [.. Enumerable.Range(0, classes.Count).OrderBy(image => classes[image])];
        var ranges = new Dictionary<int, (int Start, int Count)>();
        for (var place = 0; place < byClass.Length; place++)
        {
            var label = classes[byClass[place]];
            ranges[label] = ranges.TryGetValue(label, out var range) ? range with { Count = range.Count + 1 } : (place, 1);
        }

        if (ranges.Count < 2)
        {
            return [];
        }

        var random = new RandomSequence(seed, position.Epoch, position.Step, RandomStream.MixedImages);
        var mixtures = new Mixture[count];
        for (var row = 0; row < count; row++)
        {
            var first = random.Below(classes.Count);
            var (start, length) = ranges[classes[first]];
            var other = random.Below(classes.Count - length);
            var second = byClass[other < start ? other : other + length];
            mixtures[row] = new Mixture(first, second, random.Between((float)settings.LeastShare, (float)(1 - settings.LeastShare)));
        }

        return mixtures;
    }
}

/// <summary>Two images of a batch in one.</summary>
/// <param name="First">Number of the image i.</param>
/// <param name="Second">Number of the image j.</param>
/// <param name="Share">a, the weight of the first.</param>
internal readonly record struct Mixture(int First, int Second, float Share);
