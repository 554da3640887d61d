using Pascl.Training.Networks;
using static TorchSharp.torch;
using Linear = TorchSharp.Modules.Linear;

namespace Pascl.Tests.Conformance;

/// <summary>f = relu(A x + a), z = W f + b: a network whose gradients can be written down.</summary>
internal sealed class RectifiedLinearNetwork : DualBranchNetwork
{
    private readonly Linear map;

    public RectifiedLinearNetwork(float[] weight, float[] bias, LinearClassifier classifier)
        : base(nameof(RectifiedLinearNetwork), new NetworkSettings(new NetworkHead(classifier.Bias.Length)), bias.Length, NetworkInput.SmallImages)
    {
        map = nn.Linear(weight.Length / bias.Length, bias.Length);
        Complete(seed: 1);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        map.weight.copy_(tensor(weight, [bias.Length, weight.Length / bias.Length]));
        map.bias!.copy_(tensor(bias));
        var entries = state_dict();
        entries["linear.weight"].copy_(tensor(classifier.Weight, [classifier.Bias.Length, bias.Length]));
        entries["linear.bias"].copy_(tensor(classifier.Bias));
        CopyMainToAuxiliary();
    }

    public override IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width) => [];

    protected override Tensor LastStage(Tensor images, Branch branch)
    {
        using var scope = NewDisposeScope();
        var rows = images.contiguous().reshape(images.shape[0], -1);
        return nn.functional.relu(map.forward(rows)).reshape(images.shape[0], -1, 1, 1).MoveToOuterDisposeScope();
    }
}
