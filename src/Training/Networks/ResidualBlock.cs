using Pascl.Kernels;
using Pascl.Kernels.Device;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// A block of a residual network (He et al. 2016): convolutions, each followed by BatchNorm and all but the last by ReLU, and a way around them,
/// relu(path(x) + shortcut(x)).
/// </summary>
internal sealed class ResidualBlock : Module<Tensor, Branch, Tensor>
{
    /// <summary>Channels of a bottleneck's output for each channel of its 3x3 convolution.</summary>
    public const int BottleneckExpansion = 4;

    private readonly Layers layers;

    private ResidualBlock(string name, ConvolutionShape[] shapes, string aroundName, KernelDevice? device)
        : base(name)
    {
        var (inputs, outputs, stride) = (shapes[0].InputChannels, shapes[^1].OutputChannels, shapes.Max(shape => shape.Stride));
        layers = new Layers(
            [.. shapes.Select(shape => (new Convolution(shape), new DualBranchBatchNorm2d(shape.OutputChannels, device)))],
            stride != 1 || inputs != outputs ? new Shortcut(inputs, outputs, stride, device) : null);
        foreach (var (number, (convolution, normalisation)) in layers.Path.Index())
        {
            register_module($"conv{number + 1}", convolution);
            register_module($"bn{number + 1}", normalisation);
        }

        if (layers.Around is not null)
        {
            register_module(aroundName, layers.Around);
        }
    }

    /// <summary>Two 3x3 convolutions, the first of them with the stride: the block of ResNet-18 and ResNet-34.</summary>
    /// <param name="inputs">Channels of the input.</param>
    /// <param name="outputs">Channels of the output.</param>
    /// <param name="stride">Pixels between two places of the kernel.</param>
    /// <param name="aroundName">What <c>state_dict</c> calls the way around where the shape changes; the convolutions are <c>conv1</c>, <c>bn1</c>, <c>conv2</c>, ...</param>
    /// <param name="device">What BatchNorm's kernels run on; null for torch's operations.</param>
    public static ResidualBlock Basic(long inputs, long outputs, long stride, string aroundName, KernelDevice? device) =>
        new(nameof(Basic), [new(inputs, outputs, Kernel: 3, stride), new(outputs, outputs, Kernel: 3)], aroundName, device);

    /// <summary>A 1x1 convolution to a quarter of the channels, a 3x3 convolution with the stride, and a 1x1 convolution back: the block of ResNet-50.</summary>
    /// <inheritdoc cref="Basic"/>
    public static ResidualBlock Bottleneck(long inputs, long outputs, long stride, string aroundName, KernelDevice? device)
    {
        var inner = outputs / BottleneckExpansion;
        return new(nameof(Bottleneck), [new(inputs, inner, Kernel: 1), new(inner, inner, Kernel: 3, stride), new(inner, outputs, Kernel: 1)], aroundName, device);
    }

    /// <summary>A stage: a first block that changes the shape, and further ones that keep it.</summary>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="inputChannels">Channels of the stage's input.</param>
    /// <param name="outputChannels">Channels of its output.</param>
    /// <param name="stride">Stride of the first block.</param>
    /// <param name="create">Makes a block of (input channels, output channels, stride).</param>
    public static ModuleList<ResidualBlock> Stage(int blocks, long inputChannels, long outputChannels, long stride, Func<long, long, long, ResidualBlock> create) => new(
    [
        create(inputChannels, outputChannels, stride),
        .. Enumerable.Range(1, blocks - 1).Select(_ => create(outputChannels, outputChannels, 1)),
    ]);

    /// <summary>The output of blocks, one behind the other; the intermediate ones are freed.</summary>
    public static Tensor Run(IEnumerable<ResidualBlock> blocks, Tensor input, Branch branch)
    {
        var hidden = input;
        foreach (var block in blocks)
        {
            using var last = hidden;
            hidden = block.forward(last, branch);
        }

        return hidden;
    }

    /// <summary>The convolutions of blocks in their order, each with the rows and columns of its input.</summary>
    public static IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(IEnumerable<ResidualBlock> blocks, long height, long width)
    {
        foreach (var block in blocks)
        {
            var (rows, columns) = (height, width);
            foreach (var (convolution, _) in block.layers.Path)
            {
                yield return (convolution, rows, columns);
                (rows, columns) = (convolution.Shape.OutputSize(rows), convolution.Shape.OutputSize(columns));
            }

            if (block.layers.Around is { } shortcut)
            {
                yield return (shortcut.Convolution, height, width);
            }

            (height, width) = (rows, columns);
        }
    }

    public override Tensor forward(Tensor input, Branch branch)
    {
        using var scope = NewDisposeScope();
        var hidden = input;
        foreach (var (convolution, normalisation) in layers.Path.AsSpan(..^1))
        {
            hidden = normalisation.forward(convolution.forward(hidden), branch, BatchNormActivation.Rectify);
        }

        var around = layers.Around?.forward(input, branch) ?? input;
        var (last, lastNormalisation) = layers.Path[^1];
        return lastNormalisation.forward(last.forward(hidden), branch, BatchNormActivation.AddAndRectify, around).MoveToOuterDisposeScope();
    }

    /// <summary>One branch of the block without BatchNorm.</summary>
    public FoldedBlock Fold(Branch branch) =>
        new([.. layers.Path.Select(step => FoldedConvolution.Of(step.Convolution, step.Normalisation, branch))], layers.Around?.Fold(branch));

    // Not fields of the module: those are registered by their own names, and the way around has two.
    private sealed record Layers((Convolution Convolution, DualBranchBatchNorm2d Normalisation)[] Path, Shortcut? Around);
}

/// <summary>The way around a block that changes the shape: a 1x1 convolution and BatchNorm (option B of He et al. 2016).</summary>
internal sealed class Shortcut : Module<Tensor, Branch, Tensor>
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

    public override Tensor forward(Tensor input, Branch branch)
    {
        using var projected = convolution.forward(input);
        return normalisation.forward(projected, branch);
    }

    public Convolution Convolution => convolution;

    /// <summary>One branch of it without BatchNorm.</summary>
    public FoldedConvolution Fold(Branch branch) => FoldedConvolution.Of(convolution, normalisation, branch);
}
