using static TorchSharp.torch;

namespace Pascl.Benchmarks.Workloads;

/// <summary>A step of the first phase on random images: N in two views, and N outliers. The last four tenths of the classes are the tail.</summary>
/// <param name="Width">Channels of the network's first stage.</param>
/// <param name="Images">N.</param>
/// <param name="Classes">C.</param>
/// <param name="Network">The network's name.</param>
/// <param name="Size">Rows and columns of the images.</param>
public sealed record StepWorkload(int Width, int Images, int Classes = 10, string Network = "resnet18", int Size = 32)
{
    /// <summary>k, the tail's share of the classes.</summary>
    public const double TailShare = 0.4;

    /// <summary>Of Adam, as the Python peers have it: small enough that the losses of a few images fall from the first step on.</summary>
    public const double LearningRate = 1e-4;

    /// <summary>The seed of the network's initial weights.</summary>
    public const int Seed = 1;

    /// <summary>The images' classes, (N): all in turn, or as many as there are images, spread over all, so that the same share is of the tail.</summary>
    public IEnumerable<int> Labels =>
        Enumerable.Range(0, Images).Select(image => Classes <= Images ? image % Classes : (int)((long)image * Classes / Images));

    /// <inheritdoc/>
    public override string ToString() => Network == "resnet18" ? $"({Width}, {Images})" : $"({Width}, {Images}), {Network} at {Size}";

    /// <summary>[view 1; view 2; outliers]: (3N, 3, size, size).</summary>
    public Tensor Draw()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        return rand(3 * Images, 3, Size, Size, generator: random).MoveToOuterDisposeScope();
    }
}
