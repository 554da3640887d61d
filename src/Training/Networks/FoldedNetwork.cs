using TorchSharp;

namespace Pascl.Training.Networks;

/// <summary>
/// One branch of a residual network as evaluation mode computes it, without BatchNorm: relu(stem), the blocks, the average over the image, a linear
/// classifier.
/// </summary>
/// <param name="Stem">The first convolution.</param>
/// <param name="Blocks">The residual blocks of all stages, in order.</param>
/// <param name="ClassifierWeight">(columns, features), row-major.</param>
/// <param name="ClassifierBias">One value per column.</param>
public sealed record FoldedNetwork(FoldedConvolution Stem, IReadOnlyList<FoldedBlock> Blocks, float[] ClassifierWeight, float[] ClassifierBias)
{
    /// <summary>What is done to images in [0, 1] first; null for nothing.</summary>
    public ChannelNormalisation? Normalisation { get; init; }

    /// <summary>Maximum pooling behind the stem; null for none.</summary>
    public FoldedPooling? Pooling { get; init; }

    /// <summary>Outputs of the classifier.</summary>
    public int Columns => ClassifierBias.Length;

    /// <summary>Columns of the classifier's weight.</summary>
    public int FeatureCount => ClassifierWeight.Length / Columns;
}

/// <summary>A residual block with its BatchNorm folded: relu(path(x) + shortcut(x)), with ReLU between the convolutions of the path.</summary>
/// <param name="Path">The convolutions in order.</param>
/// <param name="Shortcut">The way around them; null where it is x itself.</param>
public sealed record FoldedBlock(IReadOnlyList<FoldedConvolution> Path, FoldedConvolution? Shortcut);

/// <summary>Maximum pooling.</summary>
/// <param name="Kernel">Rows and columns of a window.</param>
/// <param name="Stride">Pixels between two windows.</param>
/// <param name="Padding">Rows and columns around the image that are never the maximum.</param>
public sealed record FoldedPooling(long Kernel, long Stride, long Padding)
{
    /// <summary>Behind the stem of a ResNet for large images.</summary>
    public static FoldedPooling AfterStem { get; } = new(Kernel: 3, Stride: 2, Padding: 1);

    /// <summary>Rows or columns of the output for so many of the input.</summary>
    public long OutputSize(long inputSize) => ((inputSize + (2 * Padding) - Kernel) / Stride) + 1;
}

/// <summary>
/// A convolution that includes the BatchNorm behind it, as evaluation mode computes them: with y = a x + b per output channel, the weight is
/// multiplied by a and the bias is b.
/// </summary>
/// <param name="Weight">(output channels, input channels, kernel, kernel), row-major.</param>
/// <param name="Shape">Lengths of the weight's dimensions.</param>
/// <param name="Bias">One value per output channel.</param>
/// <param name="Stride">Pixels between two places of the kernel, in both directions.</param>
/// <param name="Padding">Zeros around the image, on every side.</param>
public sealed record FoldedConvolution(float[] Weight, long[] Shape, float[] Bias, long Stride, long Padding)
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
