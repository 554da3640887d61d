using Pascl.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// ResNet-50 for large images (He et al. 2016) with two branches of BatchNorm and classifier: a 7x7 convolution of stride 2, 3x3 maximum pooling of stride 2, four
/// stages of 3, 4, 6 and 3 bottlenecks with 4, 8, 16 and 32 times width channels, average pooling. The stride of a bottleneck is in its 3x3 convolution.
/// </summary>
/// <remarks>
/// The convolutions' and BatchNorms' entries of <c>state_dict</c> have the names and shapes of torchvision's <c>resnet50</c> (width 64); its <c>fc</c> is
/// <c>linear</c> here.
/// </remarks>
public sealed class DualBranchResNet50 : DualBranchNetwork
{
    // The normalisation: the channels' means and standard deviations over ImageNet's training images, with which torchvision's weights were trained.
    internal static NetworkInput LargeImages { get; } = new(
        ImageSize: 224, new ChannelNormalisation([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]), AugmentationSettings.Cifar);

    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly ModuleList<ResidualBlock> layer1;
    private readonly ModuleList<ResidualBlock> layer2;
    private readonly ModuleList<ResidualBlock> layer3;
    private readonly ModuleList<ResidualBlock> layer4;

    /// <summary>Creates the network with PyTorch's default initialisation; both branches start equal.</summary>
    public DualBranchResNet50(NetworkSettings settings)
        : base(nameof(DualBranchResNet50), settings, 8 * Bottleneck.Expansion * settings.Width, LargeImages)
    {
        var (width, device) = (settings.Width, settings.Device);
        var channels = Bottleneck.Expansion * width;
        conv1 = new Convolution(new ConvolutionShape(3, width, Kernel: 7, Stride: 2));
        bn1 = new DualBranchBatchNorm2d(width, device);
        layer1 = ResidualBlock.Stage(3, width, channels, stride: 1, Block);
        layer2 = ResidualBlock.Stage(4, channels, 2 * channels, stride: 2, Block);
        layer3 = ResidualBlock.Stage(6, 2 * channels, 4 * channels, stride: 2, Block);
        layer4 = ResidualBlock.Stage(3, 4 * channels, 8 * channels, stride: 2, Block);
        Complete(settings.Seed);

        ResidualBlock Block(long inputs, long outputs, long stride) => new Bottleneck(inputs, outputs, stride, device);
    }

    /// <inheritdoc/>
    public override IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width)
    {
        var stem = conv1.Shape;
        var pooling = FoldedPooling.AfterStem;
        return
        [
            (conv1, height, width),
            .. ResidualBlock.Convolutions(Blocks, pooling.OutputSize(stem.OutputSize(height)), pooling.OutputSize(stem.OutputSize(width))),
        ];
    }

    /// <inheritdoc/>
    public override FoldedNetwork Fold(Branch branch)
    {
        var (weight, bias) = FoldClassifier(branch);
        return new FoldedNetwork(FoldedConvolution.Of(conv1, bn1, branch), [.. Blocks.Select(block => block.Fold(branch))], weight, bias)
        {
            Normalisation = Input.Normalisation,
            Pooling = FoldedPooling.AfterStem,
        };
    }

    /// <inheritdoc/>
    protected override Tensor LastStage(Tensor images, Branch branch, long inDistributionImages)
    {
        using var stem = bn1.forward(conv1.forward(images), branch, inDistributionImages, BatchNormActivation.Rectify);
        var (kernel, stride, padding) = FoldedPooling.AfterStem;
        return ResidualBlock.Run(Blocks, functional.max_pool2d(stem, kernel, stride, padding), branch, inDistributionImages);
    }

    private IEnumerable<ResidualBlock> Blocks => layer1.Concat(layer2).Concat(layer3).Concat(layer4);
}

/// <summary>The networks of that kind.</summary>
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
