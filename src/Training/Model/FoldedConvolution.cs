using TorchSharp;

namespace Pascl.Training.Model;

/// <summary>
/// A convolution that includes the BatchNorm behind it, as evaluation mode computes them: with y = a x + b per output channel, the weight is
/// multiplied by a and the bias is b.
/// </summary>
/// <param name="Weight">(output channels, input channels, kernel, kernel), row-major.</param>
/// <param name="Shape">Lengths of the weight's dimensions.</param>
/// <param name="Bias">One value per output channel.</param>
/// <param name="Stride">Pixels between two places of the kernel, in both directions.</param>
/// <param name="Padding">Zeros around the image, on every side.</param>
internal sealed record FoldedConvolution(float[] Weight, long[] Shape, float[] Bias, long Stride, long Padding)
{
    /// <summary>Folds one branch's BatchNorm into a convolution without bias; computed in double, rounded once.</summary>
    public static FoldedConvolution Of(Convolution convolution, DualBranchBatchNorm2d normalisation, Branch branch)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var (scale, shift) = normalisation.Affine(branch);
        var weight = convolution.Weight.to(torch.float64).cpu() * scale.reshape(-1, 1, 1, 1);
        return new FoldedConvolution(
            Values(weight), weight.shape, Values(shift), convolution.Shape.Stride, convolution.Shape.Padding);
    }

    /// <summary>The elements of a tensor as float32, row-major.</summary>
    public static float[] Values(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.float32).cpu().contiguous().data<float>().ToArray();
    }
}
