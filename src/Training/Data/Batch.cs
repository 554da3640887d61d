using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>
/// The input of one training step: <c>[view 1; view 2; outliers]</c> in one tensor, because BatchNorm must see them together. In the second
/// phase there is one view and there are no outliers.
/// </summary>
/// <param name="Images">(Views * ClassifiedCount + OutlierCount, 3, H, W), float32 in [0, 1], stored channels last.</param>
/// <param name="Labels">(ClassifiedCount), int64: the class of each in-distribution image, the same for every view.</param>
/// <param name="Views">Augmented views per in-distribution image, 1 or 2.</param>
public sealed record Batch(torch.Tensor Images, torch.Tensor Labels, int Views) : IDisposable
{
    /// <summary>The classes of <see cref="Labels"/> where the host can see them without waiting for a device.</summary>
    public IReadOnlyList<int> Classes { get; init; } = [];

    /// <summary>Which batch of the training it is; random choices of a step are drawn for this position.</summary>
    public BatchPosition Position { get; init; }

    /// <summary>(R), int64: the labels of R rows behind the outliers, which were mixed from the others; null where there are none.</summary>
    public torch.Tensor? MixedLabels { get; init; }

    /// <summary>In-distribution images, N.</summary>
    public long ClassifiedCount => Labels.shape[0];

    /// <summary>Outlier images, K.</summary>
    public long OutlierCount => Images.shape[0] - (Views * ClassifiedCount) - (MixedLabels?.shape[0] ?? 0);

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

    /// <summary>The batch on a device, in the current dispose scope.</summary>
    internal Batch To(torch.Device device) => this with { Images = Images.to(device), Labels = Labels.to(device), MixedLabels = MixedLabels?.to(device) };

    /// <inheritdoc/>
    public void Dispose()
    {
        Images.Dispose();
        Labels.Dispose();
        MixedLabels?.Dispose();
    }
}
