using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>How a convolution is computed; <see cref="ConvolutionCheck"/> decides where the usual way is wrong on a machine.</summary>
public enum ConvolutionWay
{
    /// <summary>By libtorch's convolution.</summary>
    Library,

    /// <summary>By a matrix product over the channels of the sampled positions (1x1), or over unfolded patches (larger kernels).</summary>
    MatrixProduct,
}

/// <summary>A convolution without its weights.</summary>
/// <param name="InputChannels">Channels of the input.</param>
/// <param name="OutputChannels">Channels of the output.</param>
/// <param name="Kernel">Rows and columns of the kernel, k; k / 2 zeros surround the image.</param>
/// <param name="Stride">Pixels between two places of the kernel.</param>
/// <param name="Groups">Groups of channels that do not see each other.</param>
public sealed record ConvolutionShape(long InputChannels, long OutputChannels, long Kernel, long Stride = 1, long Groups = 1)
{
    /// <summary>Zeros around the image, on every side.</summary>
    public long Padding => Kernel / 2;

    /// <summary>Rows or columns of the output for so many of the input.</summary>
    public long OutputSize(long inputSize) => ((inputSize + (2 * Padding) - Kernel) / Stride) + 1;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Kernel}x{Kernel}, {InputChannels} to {OutputChannels} channels{(Stride > 1 ? $", stride {Stride}" : "")}{(Groups > 1 ? $", {Groups} groups" : "")}";
}

/// <summary>
/// A convolution without bias whose way of computing can be chosen:
/// <code>
/// y[n, o, i, j] = sum over c, a, b of w[o, c, a, b] x[n, c, i stride + a - padding, j stride + b - padding]
/// </code>
/// Its entry of <c>state_dict</c> is <c>weight</c>, (output channels, input channels / groups, kernel, kernel), as in PyTorch's <c>Conv2d</c>.
/// </summary>
/// <remarks>
/// A strided 1x1 convolution is always a matrix product of the positions that it visits: as fast with channels last, and the primitive of oneDNN up to 3.7 writes outside
/// its memory for fewer than 16 input channels (github.com/uxlfoundation/oneDNN/issues/6035).
/// </remarks>
public sealed class Convolution : Module<Tensor, Tensor>
{
    private readonly Parameter weight;

    /// <summary>Creates a convolution with weights that are not drawn yet.</summary>
    public Convolution(ConvolutionShape shape)
        : base(nameof(Convolution))
    {
        Shape = shape;
        Way = IsPointwise && shape.Stride > 1 ? ConvolutionWay.MatrixProduct : ConvolutionWay.Library;
        weight = Parameter(zeros(shape.OutputChannels, shape.InputChannels / shape.Groups, shape.Kernel, shape.Kernel));
        weight.DetachFromDisposeScope();
        Compute = (way, input, weights) => way == ConvolutionWay.Library ? LibraryConvolution(input, weights)
            : IsPointwise ? PositionProduct(input, weights)
            : PatchProduct(input, weights);
        RegisterComponents();
    }

    /// <summary>Channels, kernel, stride and groups.</summary>
    public ConvolutionShape Shape { get; }

    /// <summary>The weights, (output channels, input channels / groups, kernel, kernel).</summary>
    public Parameter Weight => weight;

    /// <summary>How it is computed; <see cref="ConvolutionCheck"/> changes it where the usual way is wrong on this machine.</summary>
    public ConvolutionWay Way { get; set; }

    /// <summary>What computes it in a way from input and weights; tests put a wrong one in its place.</summary>
    internal Func<ConvolutionWay, Tensor, Tensor, Tensor> Compute { get; set; }

    private bool IsPointwise => Shape is { Kernel: 1, Groups: 1 };

    /// <summary>Computes the output.</summary>
    /// <param name="input">(N, input channels, H, W); fastest when stored channels last (<see cref="ChannelsLast"/>).</param>
    public override Tensor forward(Tensor input) => Compute(Way, input, weight);

    private Tensor LibraryConvolution(Tensor input, Tensor weights) => functional.conv2d(
        input, weights, strides: [Shape.Stride, Shape.Stride], padding: [Shape.Padding, Shape.Padding], groups: Shape.Groups);

    // The positions that the kernel visits are rows, their channels columns. Channels come last before positions are left out: the gradient of a slice is made in the
    // order of its dimensions, and one with channels first would be laid out anew by whatever takes it.
    private Tensor PositionProduct(Tensor input, Tensor weights)
    {
        using var scope = NewDisposeScope();
        var (images, height, width) = (input.shape[0], Shape.OutputSize(input.shape[2]), Shape.OutputSize(input.shape[3]));
        var positions = input.permute(0, 2, 3, 1); // (N, H, W, C)
        var visited = Shape.Stride == 1 ? positions : positions.slice(1, 0, input.shape[2], Shape.Stride).slice(2, 0, input.shape[3], Shape.Stride);
        var product = visited.reshape(-1, Shape.InputChannels).matmul(weights.reshape(Shape.OutputChannels, Shape.InputChannels).t()); // (N H' W', O)
        return product.reshape(images, height, width, Shape.OutputChannels).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    // The k x k patches below the kernel are rows; with groups, the rows of a group's channels are multiplied by the group's weights.
    private Tensor PatchProduct(Tensor input, Tensor weights)
    {
        using var scope = NewDisposeScope();
        var (images, height, width) = (input.shape[0], Shape.OutputSize(input.shape[2]), Shape.OutputSize(input.shape[3]));
        var (kernel, padding, stride) = (Shape.Kernel, Shape.Padding, Shape.Stride);
        var patches = functional.unfold(input, (kernel, kernel), (1, 1), (padding, padding), (stride, stride)); // (N, C k k, H' W')
        var grouped = patches.reshape(images, Shape.Groups, -1, height * width).transpose(2, 3); // (N, groups, H' W', C k k / groups)
        var factors = weights.reshape(Shape.Groups, Shape.OutputChannels / Shape.Groups, -1).transpose(1, 2); // (groups, C k k / groups, O / groups)
        var product = Shape.Groups == 1
            ? grouped.reshape(images * height * width, -1).matmul(factors[0])
            : grouped.matmul(factors).transpose(1, 2); // (N, H' W', groups, O / groups)
        return product.reshape(images, height, width, Shape.OutputChannels).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// PyTorch's <c>channels_last</c> memory format: a tensor of shape (N, C, H, W) whose channels lie next to each other in memory. Convolutions and BatchNorm
/// pass it on from input to output. TorchSharp 0.107 has no memory-format arguments, so the layout is made by permuted copies.
/// </summary>
public static class ChannelsLast
{
    /// <summary>The same values with channels last; the tensor itself, without a copy, where they are already.</summary>
    /// <param name="tensor">(N, C, H, W).</param>
    public static Tensor Of(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a tensor's channels lie next to each other; both layouts are the same where there is one channel or one pixel, and count as this one.</summary>
    /// <param name="tensor">(N, C, H, W).</param>
    public static bool IsLayoutOf(Tensor tensor)
    {
        using var permuted = tensor.permute(0, 2, 3, 1);
        return permuted.is_contiguous();
    }

    /// <summary>Lays out every convolution weight of a module anew, in place: parameters keep their identity, so optimisers keep working.</summary>
    public static void Convert(nn.Module module)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var weight in module.parameters().Where(parameter => parameter.dim() == 4))
        {
            weight.set_(Of(weight));
        }
    }
}
