using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Devices;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// ResNet (He et al. 2016) with two branches of BatchNorm and classifier over one set of convolutions: a stem, four stages of blocks, of which the last three double
/// the channels and halve the image, average pooling, a linear classifier per branch, and a projection head F -> F -> ReLU -> 128 over the F features, which are 8
/// times width, or 32 times with bottlenecks. Images may have any size.
/// </summary>
/// <remarks>
/// With the stem for small images the main branch's entries of <c>state_dict</c> have the names and shapes of the PyTorch network in Wang et al., ICML 2022; with that
/// for photographs those of torchvision's <c>resnet18</c>, <c>resnet34</c> and <c>resnet50</c> (width 64), whose <c>fc</c> is <c>linear</c> here. The auxiliary branch
/// adds <c>auxiliary_linear</c> and, at every BatchNorm, <c>auxiliary</c>.
/// </remarks>
public sealed class DualBranchResNet : DualBranchNetwork
{
    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly ModuleList<ResidualBlock> layer1;
    private readonly ModuleList<ResidualBlock> layer2;
    private readonly ModuleList<ResidualBlock> layer3;
    private readonly ModuleList<ResidualBlock> layer4;
    private readonly FoldedPooling? pooling;

    /// <summary>Creates the network for small images with PyTorch's default initialisation, drawn from a generator of its own; both branches start equal.</summary>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="classCount">C, the number of classes.</param>
    /// <param name="width">Channels of the first stage; 64 in the literature.</param>
    /// <param name="seed">Seed of the initial weights: the same seed gives the same weights.</param>
    /// <param name="precision">Arithmetic of the convolutions.</param>
    /// <param name="device">What BatchNorm's kernels run on, in the memory of the tensors; null for torch's operations.</param>
    public DualBranchResNet(
        ResNetDepth depth, int classCount, int width = 64, ulong seed = 0, Precision precision = Precision.Float32, KernelDevice? device = null)
        : this(depth, ResNetStem.SmallImages, new NetworkSettings(new NetworkHead(classCount), width, seed, precision, device))
    {
    }

    /// <summary>Creates the network with any stem and head. Initial weights are those of the code that it is named after: PyTorch's defaults, or torchvision's.</summary>
    /// <param name="depth">Number and kind of blocks.</param>
    /// <param name="stem">What is before them.</param>
    /// <param name="settings">Head, width, seed and arithmetic.</param>
    public DualBranchResNet(ResNetDepth depth, ResNetStem stem, NetworkSettings settings)
        : base(nameof(DualBranchResNet), settings, ResNet.FeaturesPerWidth(depth) * settings.Width, ResNet.InputOf(stem))
    {
        var (isSmall, width) = (stem == ResNetStem.SmallImages, settings.Width);
        var blocks = ResNet.Blocks(depth);
        pooling = isSmall ? null : FoldedPooling.AfterStem;
        conv1 = new Convolution(isSmall ? new ConvolutionShape(3, width, Kernel: 3) : new ConvolutionShape(3, width, Kernel: 7, Stride: 2));
        bn1 = new DualBranchBatchNorm2d(width, settings.Device);
        var channels = ResNet.Expansion(depth) * width;
        layer1 = ResidualBlock.Stage(blocks[0], width, channels, stride: 1, Block);
        layer2 = ResidualBlock.Stage(blocks[1], channels, 2 * channels, stride: 2, Block);
        layer3 = ResidualBlock.Stage(blocks[2], 2 * channels, 4 * channels, stride: 2, Block);
        layer4 = ResidualBlock.Stage(blocks[3], 4 * channels, 8 * channels, stride: 2, Block);
        Complete(settings.Seed, hasNormalConvolutions: !isSmall);

        ResidualBlock Block(long inputs, long outputs, long stride) => depth == ResNetDepth.ResNet50
            ? ResidualBlock.Bottleneck(inputs, outputs, stride, ResNet.AroundName(stem), settings.Device)
            : ResidualBlock.Basic(inputs, outputs, stride, ResNet.AroundName(stem), settings.Device);
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

/// <summary>The depths of ResNet (He et al. 2016, table 1).</summary>
public enum ResNetDepth
{
    /// <summary>2 + 2 + 2 + 2 blocks of two convolutions.</summary>
    ResNet18,

    /// <summary>3 + 4 + 6 + 3 blocks of two convolutions.</summary>
    ResNet34,

    /// <summary>3 + 4 + 6 + 3 bottlenecks, with the stride in the 3x3 convolution.</summary>
    ResNet50,
}

/// <summary>What is before the blocks of a ResNet.</summary>
public enum ResNetStem
{
    /// <summary>A 3x3 convolution; images are taken as they are, in [0, 1].</summary>
    SmallImages,

    /// <summary>A 7x7 convolution of stride 2 and 3x3 maximum pooling of stride 2; images are normalised by ImageNet's mean and standard deviation.</summary>
    ImageNet,
}

/// <summary>The networks of that kind by name.</summary>
internal sealed class ResNet : NetworkDefinition
{
    private const int Stages = 4;
    private const string BlockConvolution = "conv1.weight";

    private readonly ResNetDepth depth;
    private readonly ResNetStem stem;

    private ResNet(string name, ResNetDepth depth, ResNetStem stem) => (Name, this.depth, this.stem) = (name, depth, stem);

    /// <summary>For small images.</summary>
    public static ResNet Small18 { get; } = new("resnet18", ResNetDepth.ResNet18, ResNetStem.SmallImages);

    /// <summary>For small images.</summary>
    public static ResNet Small34 { get; } = new("resnet34", ResNetDepth.ResNet34, ResNetStem.SmallImages);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<NetworkDefinition> Every { get; } =
    [
        Small18,
        Small34,
        new ResNet("resnet18-imagenet", ResNetDepth.ResNet18, ResNetStem.ImageNet),
        new ResNet("resnet34-imagenet", ResNetDepth.ResNet34, ResNetStem.ImageNet),
        new ResNet("resnet50", ResNetDepth.ResNet50, ResNetStem.ImageNet),
    ];

    public override string Name { get; }

    public override NetworkInput Input => InputOf(stem);

    public override DualBranchNetwork Create(NetworkSettings settings) => new DualBranchResNet(depth, stem, settings);

    public static int[] Blocks(ResNetDepth depth) => depth == ResNetDepth.ResNet18 ? [2, 2, 2, 2] : [3, 4, 6, 3];

    /// <summary>Channels of a stage's output for each of its width.</summary>
    public static int Expansion(ResNetDepth depth) => depth == ResNetDepth.ResNet50 ? ResidualBlock.BottleneckExpansion : 1;

    /// <summary>Columns of the features for each channel of the stem.</summary>
    public static int FeaturesPerWidth(ResNetDepth depth) => 8 * Expansion(depth);

    /// <summary>What the authors' networks for small images, and torchvision's, call the way around a block.</summary>
    public static string AroundName(ResNetStem stem) => stem == ResNetStem.SmallImages ? "shortcut" : "downsample";

    public static NetworkInput InputOf(ResNetStem stem) => stem == ResNetStem.SmallImages ? NetworkInput.SmallImages : NetworkInput.Photographs;

    internal override Recognition Recognise(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        int[] blocks = [.. Enumerable.Range(1, Stages).Select(CountBlocks)];
        var hasThirdConvolution = shapes.ContainsKey("layer1.0.conv3.weight");
        if (hasThirdConvolution != (depth == ResNetDepth.ResNet50) || !Blocks(depth).SequenceEqual(blocks))
        {
            return new(
                null, 0, $"it has {string.Join(", ", blocks)} {(hasThirdConvolution ? "blocks of three convolutions" : "blocks")} in layer1 to layer4");
        }

        var around = $"layer2.0.{AroundName(stem)}.0.weight";
        if (!shapes.ContainsKey(around))
        {
            return new(null, 1, $"it has no {around}");
        }

        var kernel = stem == ResNetStem.SmallImages ? 3 : 7;
        if (!shapes.TryGetValue(BlockConvolution, out var first) || first is not [var width and >= 1, 3, var rows, var columns] || (rows, columns) != (kernel, kernel))
        {
            return new(null, 2, $"its {BlockConvolution} is {Shown(first)} instead of (width, 3, {kernel}, {kernel})");
        }

        // Checked before a network is made: the small first tensor must not decide alone how much memory that takes.
        var (inputs, outputs) = (8 * (Int128)width, 8 * (Int128)width * Expansion(depth));
        var (widest, lastKernel) = hasThirdConvolution ? ($"layer4.{blocks[^1] - 1}.conv3.weight", 1) : ($"layer4.{blocks[^1] - 1}.conv2.weight", 3);
        if (!shapes.TryGetValue(widest, out var last) || last is not [var to, var from, var height, var across]
            || (to, from, height, across) != (outputs, inputs, lastKernel, lastKernel))
        {
            return new(
                null, 3, $"{BlockConvolution} has {width} channels, so {widest} must be ({outputs}, {inputs}, {lastKernel}, {lastKernel}), not {Shown(last)}");
        }

        if (!shapes.TryGetValue("linear.weight", out var classifier))
        {
            return new(new NetworkShape(Name, (int)width, ClassCount: null), 4, "it has no classifier (linear.weight, or fc.weight)");
        }

        return classifier is [var classes and >= 2 and <= int.MaxValue, var features] && features == outputs
            ? new(new NetworkShape(Name, (int)width, (int)classes), 5)
            : new(null, 4, $"its classifier is {Shown(classifier)} instead of (classes, {outputs})");

        static string Shown(IReadOnlyList<long>? shape) => shape is null ? "missing" : $"({string.Join(", ", shape)})";

        int CountBlocks(int stage) => Enumerable.Range(0, shapes.Count).TakeWhile(block => shapes.ContainsKey($"layer{stage}.{block}.{BlockConvolution}")).Count();
    }
}

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
