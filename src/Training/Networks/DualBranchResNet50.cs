using Pascl.Kernels;

namespace Pascl.Training.Networks;

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
        ImageSize: 224, new ChannelNormalisation([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]), AugmentationSettings.Cifar);
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
