using Pascl.Kernels;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Extensions;

/// <summary>A network: three convolutions of stride 2 with BatchNorm of both branches and ReLU.</summary>
public sealed class PlainNetwork : DualBranchNetwork
{
    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly Convolution conv2;
    private readonly DualBranchBatchNorm2d bn2;
    private readonly Convolution conv3;
    private readonly DualBranchBatchNorm2d bn3;

    /// <summary>Creates the network; both branches start equal.</summary>
    public PlainNetwork(NetworkSettings settings)
        : base(nameof(PlainNetwork), settings, featureWidth: 4 * settings.Width, NetworkInput.SmallImages)
    {
        var width = settings.Width;
        conv1 = new Convolution(new ConvolutionShape(3, width, Kernel: 3, Stride: 2));
        bn1 = new DualBranchBatchNorm2d(width, settings.Device);
        conv2 = new Convolution(new ConvolutionShape(width, 2 * width, Kernel: 3, Stride: 2));
        bn2 = new DualBranchBatchNorm2d(2 * width, settings.Device);
        conv3 = new Convolution(new ConvolutionShape(2 * width, 4 * width, Kernel: 3, Stride: 2));
        bn3 = new DualBranchBatchNorm2d(4 * width, settings.Device);
        Complete(settings.Seed);
    }

    /// <inheritdoc/>
    public override IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width)
    {
        foreach (var convolution in (Convolution[])[conv1, conv2, conv3])
        {
            yield return (convolution, height, width);
            (height, width) = (convolution.Shape.OutputSize(height), convolution.Shape.OutputSize(width));
        }
    }

    /// <inheritdoc/>
    protected override Tensor LastStage(Tensor images, Branch branch)
    {
        using var scope = NewDisposeScope();
        var hidden = bn1.forward(conv1.forward(images), branch, BatchNormActivation.Rectify);
        hidden = bn2.forward(conv2.forward(hidden), branch, BatchNormActivation.Rectify);
        return bn3.forward(conv3.forward(hidden), branch, BatchNormActivation.Rectify).MoveToOuterDisposeScope();
    }
}

/// <summary>Makes the network known as <c>plain</c>.</summary>
public sealed class PlainDefinition : NetworkDefinition
{
    /// <inheritdoc/>
    public override string Name => "plain";

    /// <inheritdoc/>
    public override DualBranchNetwork Create(NetworkSettings settings) => new PlainNetwork(settings);
}
