using Pascl.Kernels;
using Pascl.Kernels.Device;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// A residual network (He et al. 2016): a convolution with BatchNorm and ReLU, perhaps maximum pooling, and four stages of blocks, of which the last three double the
/// channels and halve the image.
/// </summary>
public abstract class ResidualNetwork : DualBranchNetwork
{
    /// <summary>Channels of the last stage for each channel of the first.</summary>
    internal const int Widening = 8;

    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly ModuleList<ResidualBlock> layer1;
    private readonly ModuleList<ResidualBlock> layer2;
    private readonly ModuleList<ResidualBlock> layer3;
    private readonly ModuleList<ResidualBlock> layer4;
    private readonly FoldedPooling? pooling;

    /// <summary>Creates the network with PyTorch's default initialisation; both branches start equal.</summary>
    /// <param name="name">Name of the module.</param>
    /// <param name="settings">Head, width, seed and arithmetic.</param>
    /// <param name="input">What the images must be like.</param>
    /// <param name="stem">The first convolution.</param>
    /// <param name="pooling">What follows it; null for nothing.</param>
    /// <param name="blocks">Blocks of each stage.</param>
    /// <param name="expansion">Channels of a stage's output for each of its width.</param>
    /// <param name="create">Makes a block of (input channels, output channels, stride).</param>
    private protected ResidualNetwork(
        string name, NetworkSettings settings, NetworkInput input, ConvolutionShape stem, FoldedPooling? pooling,
        IReadOnlyList<int> blocks, int expansion, Func<long, long, long, ResidualBlock> create)
        : base(name, settings, Widening * expansion * settings.Width, input)
    {
        this.pooling = pooling;
        conv1 = new Convolution(stem);
        bn1 = new DualBranchBatchNorm2d(stem.OutputChannels, settings.Device);
        var channels = expansion * settings.Width;
        layer1 = ResidualBlock.Stage(blocks[0], stem.OutputChannels, channels, stride: 1, create);
        layer2 = ResidualBlock.Stage(blocks[1], channels, 2 * channels, stride: 2, create);
        layer3 = ResidualBlock.Stage(blocks[2], 2 * channels, 4 * channels, stride: 2, create);
        layer4 = ResidualBlock.Stage(blocks[3], 4 * channels, 8 * channels, stride: 2, create);
        Complete(settings.Seed);
    }

    private IEnumerable<ResidualBlock> Blocks => layer1.Concat(layer2).Concat(layer3).Concat(layer4);

    /// <inheritdoc/>
    public override IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width)
    {
        return [(conv1, height, width), .. ResidualBlock.Convolutions(Blocks, AfterStem(height), AfterStem(width))];

        long AfterStem(long size) => pooling?.OutputSize(conv1.Shape.OutputSize(size)) ?? conv1.Shape.OutputSize(size);
    }

    /// <inheritdoc/>
    public override FoldedNetwork Fold(Branch branch)
    {
        var (weight, bias) = FoldClassifier(branch);
        return new FoldedNetwork(FoldedConvolution.Of(conv1, bn1, branch), [.. Blocks.Select(block => block.Fold(branch))], weight, bias)
        {
            Normalisation = Input.Normalisation,
            Pooling = pooling,
        };
    }

    /// <inheritdoc/>
    protected override Tensor LastStage(Tensor images, Branch branch)
    {
        var stem = bn1.forward(conv1.forward(images), branch, BatchNormActivation.Rectify);
        return ResidualBlock.Run(Blocks, Pooled(stem), branch);
    }

    private Tensor Pooled(Tensor stem)
    {
        if (pooling is null)
        {
            return stem;
        }

        using (stem)
        {
            return functional.max_pool2d(stem, pooling.Kernel, pooling.Stride, pooling.Padding);
        }
    }
}

/// <summary>
/// A block of a residual network (He et al. 2016): convolutions, each followed by BatchNorm and all but the last by ReLU, and a way around them,
/// relu(path(x) + shortcut(x)).
/// </summary>
internal abstract class ResidualBlock(string name) : Module<Tensor, Branch, Tensor>(name)
{
    /// <summary>The convolutions with their BatchNorm, in order.</summary>
    protected abstract (Convolution Convolution, DualBranchBatchNorm2d Normalisation)[] Path { get; }

    /// <summary>The way around where it changes the shape; null where it is x itself.</summary>
    protected abstract Shortcut? Around { get; }

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
            foreach (var (convolution, _) in block.Path)
            {
                yield return (convolution, rows, columns);
                (rows, columns) = (convolution.Shape.OutputSize(rows), convolution.Shape.OutputSize(columns));
            }

            if (block.Around is { } shortcut)
            {
                yield return (shortcut.Convolution, height, width);
            }

            (height, width) = (rows, columns);
        }
    }

    public override Tensor forward(Tensor input, Branch branch)
    {
        using var scope = NewDisposeScope();
        var path = Path;
        var hidden = input;
        foreach (var (convolution, normalisation) in path.AsSpan(..^1))
        {
            hidden = normalisation.forward(convolution.forward(hidden), branch, BatchNormActivation.Rectify);
        }

        var around = Around?.forward(input, branch) ?? input;
        var (last, lastNormalisation) = path[^1];
        return lastNormalisation.forward(last.forward(hidden), branch, BatchNormActivation.AddAndRectify, around).MoveToOuterDisposeScope();
    }

    /// <summary>One branch of the block without BatchNorm.</summary>
    public FoldedBlock Fold(Branch branch) =>
        new([.. Path.Select(step => FoldedConvolution.Of(step.Convolution, step.Normalisation, branch))], Around?.Fold(branch));
}

/// <summary>Two 3x3 convolutions: the block of ResNet-18 and ResNet-34.</summary>
internal sealed class BasicBlock : ResidualBlock
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
        Path = [(conv1, bn1), (conv2, bn2)];
        RegisterComponents();
    }

    protected override (Convolution Convolution, DualBranchBatchNorm2d Normalisation)[] Path { get; }

    protected override Shortcut? Around => shortcut;
}

/// <summary>
/// A 1x1 convolution to a quarter of the channels, a 3x3 convolution, which has the stride, and a 1x1 convolution back: the block of ResNet-50, named as torchvision
/// names it.
/// </summary>
internal sealed class Bottleneck : ResidualBlock
{
    /// <summary>Channels of the output for each channel of the 3x3 convolution.</summary>
    public const int Expansion = 4;

    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly Convolution conv2;
    private readonly DualBranchBatchNorm2d bn2;
    private readonly Convolution conv3;
    private readonly DualBranchBatchNorm2d bn3;
    private readonly Shortcut? downsample;

    public Bottleneck(long inputChannels, long outputChannels, long stride, KernelDevice? device)
        : base(nameof(Bottleneck))
    {
        var inner = outputChannels / Expansion;
        conv1 = new Convolution(new ConvolutionShape(inputChannels, inner, Kernel: 1));
        bn1 = new DualBranchBatchNorm2d(inner, device);
        conv2 = new Convolution(new ConvolutionShape(inner, inner, Kernel: 3, stride));
        bn2 = new DualBranchBatchNorm2d(inner, device);
        conv3 = new Convolution(new ConvolutionShape(inner, outputChannels, Kernel: 1));
        bn3 = new DualBranchBatchNorm2d(outputChannels, device);
        downsample = stride != 1 || inputChannels != outputChannels ? new Shortcut(inputChannels, outputChannels, stride, device) : null;
        Path = [(conv1, bn1), (conv2, bn2), (conv3, bn3)];
        RegisterComponents();
    }

    protected override (Convolution Convolution, DualBranchBatchNorm2d Normalisation)[] Path { get; }

    protected override Shortcut? Around => downsample;
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
