using Pascl.Kernels;
using Pascl.Kernels.Device;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>Two 3x3 convolutions with BatchNorm, and a shortcut around them: relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).</summary>
internal sealed class BasicBlock : Module<Tensor, Branch, long, Tensor>
{
    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly Convolution conv2;
    private readonly DualBranchBatchNorm2d bn2;
    private readonly Shortcut? shortcut;

    public BasicBlock(long inputChannels, long outputChannels, long stride, KernelDevice? device)
        : base(nameof(BasicBlock))
    {
        conv1 = new Convolution(new ConvolutionShape(inputChannels, outputChannels, Kernel: 3, stride));
        bn1 = new DualBranchBatchNorm2d(outputChannels, device);
        conv2 = new Convolution(new ConvolutionShape(outputChannels, outputChannels, Kernel: 3));
        bn2 = new DualBranchBatchNorm2d(outputChannels, device);
        shortcut = stride != 1 || inputChannels != outputChannels ? new Shortcut(inputChannels, outputChannels, stride, device) : null;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input, Branch branch, long inDistributionImages)
    {
        using var scope = NewDisposeScope();
        var hidden = bn1.forward(conv1.forward(input), branch, inDistributionImages, BatchNormActivation.Rectify);
        var around = shortcut?.forward(input, branch, inDistributionImages) ?? input;
        return bn2.forward(conv2.forward(hidden), branch, inDistributionImages, BatchNormActivation.AddAndRectify, around).MoveToOuterDisposeScope();
    }

    /// <summary>The convolutions in their order, each with the rows and columns of its input.</summary>
    public IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width)
    {
        yield return (conv1, height, width);
        yield return (conv2, conv1.Shape.OutputSize(height), conv1.Shape.OutputSize(width));
        if (shortcut is not null)
        {
            yield return (shortcut.Convolution, height, width);
        }
    }

    /// <summary>Rows and columns of the output.</summary>
    public (long Height, long Width) OutputSize(long height, long width) => (conv1.Shape.OutputSize(height), conv1.Shape.OutputSize(width));

    /// <summary>One branch of the block without BatchNorm.</summary>
    public FoldedBlock Fold(Branch branch) =>
        new(FoldedConvolution.Of(conv1, bn1, branch), FoldedConvolution.Of(conv2, bn2, branch), shortcut?.Fold(branch));
}
