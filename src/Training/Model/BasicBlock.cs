using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>Two 3x3 convolutions with BatchNorm, and a shortcut around them: relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).</summary>
internal sealed class BasicBlock : Module<Tensor, Branch, Tensor>
{
    private readonly Conv2d conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly Conv2d conv2;
    private readonly DualBranchBatchNorm2d bn2;
    private readonly Shortcut? shortcut;

    public BasicBlock(long inputChannels, long outputChannels, long stride)
        : base(nameof(BasicBlock))
    {
        conv1 = Conv2d(inputChannels, outputChannels, 3, stride, padding: 1, bias: false);
        bn1 = new DualBranchBatchNorm2d(outputChannels);
        conv2 = Conv2d(outputChannels, outputChannels, 3, padding: 1, bias: false);
        bn2 = new DualBranchBatchNorm2d(outputChannels);
        shortcut = stride != 1 || inputChannels != outputChannels ? new Shortcut(inputChannels, outputChannels, stride) : null;
        RegisterComponents();
    }

    // BatchNorm's backward pass needs its input, not its output, so sums and rectifiers may overwrite the output.
    public override Tensor forward(Tensor input, Branch branch)
    {
        using var scope = NewDisposeScope();
        var hidden = bn1.forward(conv1.forward(input), branch).relu_();
        var output = bn2.forward(conv2.forward(hidden), branch).add_(shortcut?.forward(input, branch) ?? input);
        return output.relu_().MoveToOuterDisposeScope();
    }
}
