using Pascl.Kernels;
using Pascl.Kernels.Device;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>Two 3x3 convolutions with BatchNorm, and a shortcut around them: relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).</summary>
internal sealed class BasicBlock : Module<Tensor, Branch, long, Tensor>
{
    private readonly Conv2d conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly Conv2d conv2;
    private readonly DualBranchBatchNorm2d bn2;
    private readonly Shortcut? shortcut;

    public BasicBlock(long inputChannels, long outputChannels, long stride, KernelDevice? device)
        : base(nameof(BasicBlock))
    {
        conv1 = Conv2d(inputChannels, outputChannels, 3, stride, padding: 1, bias: false);
        bn1 = new DualBranchBatchNorm2d(outputChannels, device);
        conv2 = Conv2d(outputChannels, outputChannels, 3, padding: 1, bias: false);
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

    /// <summary>One branch of the block without BatchNorm.</summary>
    public FoldedBlock Fold(Branch branch) =>
        new(FoldedConvolution.Of(conv1, bn1, branch), FoldedConvolution.Of(conv2, bn2, branch), shortcut?.Fold(branch));
}
