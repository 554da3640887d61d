using Pascl.Kernels.Device;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>The way around a block that changes the shape: a 1x1 convolution and BatchNorm (option B of He et al. 2016).</summary>
internal sealed class Shortcut : Module<Tensor, Branch, long, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly Convolution convolution;

    [ComponentName(Name = "1")]
    private readonly DualBranchBatchNorm2d normalisation;

    public Shortcut(long inputChannels, long outputChannels, long stride, KernelDevice? device)
        : base(nameof(Shortcut))
    {
        convolution = new Convolution(new ConvolutionShape(inputChannels, outputChannels, Kernel: 1, stride));
        normalisation = new DualBranchBatchNorm2d(outputChannels, device);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input, Branch branch, long inDistributionImages)
    {
        using var projected = convolution.forward(input);
        return normalisation.forward(projected, branch, inDistributionImages);
    }

    /// <summary>The convolution.</summary>
    public Convolution Convolution => convolution;

    /// <summary>One branch of it without BatchNorm.</summary>
    public FoldedConvolution Fold(Branch branch) => FoldedConvolution.Of(convolution, normalisation, branch);
}
