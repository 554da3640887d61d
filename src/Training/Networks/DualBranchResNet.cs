using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Data;
using Pascl.Training.Devices;

namespace Pascl.Training.Networks;

/// <summary>
/// ResNet for small images with two branches of BatchNorm and classifier over one set of convolutions: a 3x3 convolution, four stages of basic blocks with
/// width, 2, 4 and 8 times width channels (the last three halve the image), average pooling, a linear classifier per branch, and a projection head
/// 8w -> 8w -> ReLU -> 128. Images may have any size.
/// </summary>
/// <remarks>
/// The main branch's entries of <c>state_dict</c> have the names and shapes of the PyTorch network in Wang et al., ICML 2022. The auxiliary branch adds
/// <c>auxiliary_linear</c> and, at every BatchNorm, <c>auxiliary</c>.
/// </remarks>
public sealed class DualBranchResNet : ResidualNetwork
{
    /// <summary>Creates the network with PyTorch's default initialisation, drawn from a generator of its own; both branches start equal.</summary>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="classCount">C, the number of classes.</param>
    /// <param name="width">Channels of the first stage; 64 in the literature.</param>
    /// <param name="seed">Seed of the initial weights: the same seed gives the same weights.</param>
    /// <param name="precision">Arithmetic of the convolutions.</param>
    /// <param name="device">What BatchNorm's kernels run on, in the memory of the tensors; null for torch's operations.</param>
    public DualBranchResNet(
        ResNetDepth depth, int classCount, int width = 64, ulong seed = 0, Precision precision = Precision.Float32, KernelDevice? device = null)
        : this(depth, new NetworkSettings(new NetworkHead(classCount), width, seed, precision, device))
    {
    }

    /// <summary>Creates the network with another head than a plain classifier.</summary>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="settings">Head, width, seed and arithmetic.</param>
    public DualBranchResNet(ResNetDepth depth, NetworkSettings settings)
        : base(
            nameof(DualBranchResNet), settings, NetworkInput.SmallImages, new ConvolutionShape(3, settings.Width, Kernel: 3), pooling: null,
            SmallResNet.Blocks(depth), expansion: 1, (inputs, outputs, stride) => new BasicBlock(inputs, outputs, stride, settings.Device))
    {
    }
}

/// <summary>The depths of ResNet that consist of basic blocks (He et al. 2016, table 1).</summary>
public enum ResNetDepth
{
    /// <summary>2 + 2 + 2 + 2 blocks.</summary>
    ResNet18,

    /// <summary>3 + 4 + 6 + 3 blocks.</summary>
    ResNet34,
}

/// <summary>The networks of that kind: ResNet-18 and ResNet-34 for small images.</summary>
internal sealed class SmallResNet : NetworkDefinition
{
    /// <summary>Channels of the last stage for each channel of the first.</summary>
    public const int Widening = ResidualNetwork.Widening;

    private const int Stages = 4;
    private readonly ResNetDepth depth;

    private SmallResNet(ResNetDepth depth) => this.depth = depth;

    /// <summary>2 + 2 + 2 + 2 blocks.</summary>
    public static SmallResNet ResNet18 { get; } = new(ResNetDepth.ResNet18);

    /// <summary>3 + 4 + 6 + 3 blocks.</summary>
    public static SmallResNet ResNet34 { get; } = new(ResNetDepth.ResNet34);

    public override string Name => depth == ResNetDepth.ResNet18 ? "resnet18" : "resnet34";

    public override DualBranchNetwork Create(NetworkSettings settings) => new DualBranchResNet(depth, settings);

    internal override Recognition Recognise(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        int[] blocks = [.. Enumerable.Range(1, Stages).Select(CountBlocks)];
        var hasThirdConvolution = shapes.ContainsKey("layer1.0.conv3.weight");
        if (hasThirdConvolution || !Blocks(depth).SequenceEqual(blocks))
        {
            return new(
                null, 0, $"it has {string.Join(", ", blocks)} {(hasThirdConvolution ? "blocks of three convolutions" : "blocks")} in layer1 to layer4");
        }

        if (!shapes.TryGetValue("conv1.weight", out var stem) || stem is not [var width and >= 1, 3, 3, 3])
        {
            return new(null, 1, $"its conv1.weight is {Shown(stem)} instead of (width, 3, 3, 3)");
        }

        // Checked before a network is made: the small first tensor must not decide alone how much memory that takes.
        var widest = $"layer4.{blocks[^1] - 1}.conv2.weight";
        var channels = (Int128)Widening * width;
        if (!shapes.TryGetValue(widest, out var last) || last is not [var outputs, var inputs, 3, 3] || outputs != channels || inputs != channels)
        {
            return new(
                null, 2, $"conv1.weight has {width} channels, so {widest} must be ({channels}, {channels}, 3, 3), not {Shown(last)}");
        }

        return shapes.TryGetValue("linear.weight", out var classifier)
            && classifier is [var classes and >= 2 and <= int.MaxValue, var features]
            && features == channels
            ? new(new NetworkShape(Name, (int)width, (int)classes), 4)
            : new(null, 3, $"its classifier {(classifier is null ? "linear.weight " : "")}is {Shown(classifier)} instead of (classes, {channels})");

        static string Shown(IReadOnlyList<long>? shape) => shape is null ? "missing" : $"({string.Join(", ", shape)})";

        int CountBlocks(int stage) => Enumerable.Range(0, shapes.Count).TakeWhile(block => shapes.ContainsKey($"layer{stage}.{block}.conv1.weight")).Count();
    }

    internal static int[] Blocks(ResNetDepth depth) => depth == ResNetDepth.ResNet18 ? [2, 2, 2, 2] : [3, 4, 6, 3];
}

/// <summary>
/// ResNet-50 for large images (He et al. 2016) with two branches of BatchNorm and classifier: a 7x7 convolution of stride 2, 3x3 maximum pooling of stride 2, four
/// stages of 3, 4, 6 and 3 bottlenecks with 4, 8, 16 and 32 times width channels, average pooling. The stride of a bottleneck is in its 3x3 convolution.
/// </summary>
/// <remarks>
/// The convolutions' and BatchNorms' entries of <c>state_dict</c> have the names and shapes of torchvision's <c>resnet50</c> (width 64); its <c>fc</c> is
/// <c>linear</c> here.
/// </remarks>
public sealed class DualBranchResNet50 : ResidualNetwork
{
    private static readonly int[] blocks = [3, 4, 6, 3];

    /// <summary>Creates the network with PyTorch's default initialisation; both branches start equal.</summary>
    public DualBranchResNet50(NetworkSettings settings)
        : base(
            nameof(DualBranchResNet50), settings, LargeImages, new ConvolutionShape(3, settings.Width, Kernel: 7, Stride: 2), FoldedPooling.AfterStem,
            blocks, Bottleneck.Expansion, (inputs, outputs, stride) => new Bottleneck(inputs, outputs, stride, settings.Device))
    {
    }

    // The normalisation: the channels' means and standard deviations over ImageNet's training images, with which torchvision's weights were trained.
    internal static NetworkInput LargeImages { get; } = new(
        ImageSize: 224, new ChannelNormalisation([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]), AugmentationSettings.Photographs)
    {
        Geometry = ImageGeometry.Photographs,
        Crop = RandomResizedCrop.Photographs,
    };
}

internal sealed class ImageNetResNet : NetworkDefinition
{
    private ImageNetResNet()
    {
    }

    /// <summary>3 + 4 + 6 + 3 bottlenecks.</summary>
    public static ImageNetResNet ResNet50 { get; } = new();

    public override string Name => "resnet50";

    public override NetworkInput Input => DualBranchResNet50.LargeImages;

    public override DualBranchNetwork Create(NetworkSettings settings) => new DualBranchResNet50(settings);
}
