namespace Pascl.Training.Model;

/// <summary>What decides the shapes of a <see cref="DualBranchResNet"/>.</summary>
/// <param name="Depth">Number of blocks.</param>
/// <param name="Width">Channels of the first stage.</param>
/// <param name="ClassCount">Number of classes.</param>
internal sealed record NetworkShape(ResNetDepth Depth, int Width, int ClassCount)
{
    private const int Stages = 4;

    // The widest stage has 8 times the channels of the first.
    private const int Widening = 8;

    /// <summary>Reads it off the tensors of a trained network.</summary>
    /// <param name="source">What the tensors come from, for the message.</param>
    /// <param name="shapes">The shape of every tensor, by the names of the main branch.</param>
    /// <exception cref="InputException">They are those of another network.</exception>
    public static NetworkShape Of(string source, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        int[] blocks = [.. Enumerable.Range(1, Stages).Select(CountBlocks)];
        var hasThirdConvolution = shapes.ContainsKey("layer1.0.conv3.weight");
        var depth = Enum.GetValues<ResNetDepth>().Where(depth => DualBranchResNet.Blocks(depth).SequenceEqual(blocks)).ToList();
        if (depth is not [var known] || hasThirdConvolution)
        {
            var kind = hasThirdConvolution ? "blocks of three convolutions" : "blocks";
            throw Other(source, $"it has {string.Join(", ", blocks)} {kind} in layer1 to layer4");
        }

        if (!shapes.TryGetValue("conv1.weight", out var stem) || stem is not [var width and >= 1, 3, 3, 3])
        {
            throw Other(source, $"its conv1.weight is ({string.Join(", ", stem ?? [])}) instead of (width, 3, 3, 3)");
        }

        // Checked before a network is made: the small first tensor must not decide alone how much memory that takes.
        var widest = $"layer4.{blocks[^1] - 1}.conv2.weight";
        var channels = (Int128)Widening * width;
        if (!shapes.TryGetValue(widest, out var last) || last is not [var outputs, var inputs, 3, 3] || outputs != channels || inputs != channels)
        {
            throw Other(
                source, $"conv1.weight has {width} channels, so {widest} must be ({channels}, {channels}, 3, 3), not ({string.Join(", ", last ?? [])})");
        }

        return shapes.TryGetValue("linear.weight", out var classifier)
            && classifier is [var classes and >= 2 and <= int.MaxValue, var features]
            && features == channels
            ? new NetworkShape(known, (int)width, (int)classes)
            : throw Other(source, $"its classifier is ({string.Join(", ", classifier ?? [])}) instead of (classes, {channels})");

        int CountBlocks(int stage) => Enumerable.Range(0, shapes.Count).TakeWhile(block => shapes.ContainsKey($"layer{stage}.{block}.conv1.weight")).Count();
    }

    private static InputException Other(string source, string difference) =>
        new($"{source} holds another network than ResNet18 or ResNet34 for small images: {difference}. Nothing was written.");
}
