using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

/// <summary>
/// ResNet for small images with two branches of BatchNorm and classifier over one set of convolutions: a 3x3 convolution, four stages of basic blocks with
/// width, 2, 4 and 8 times width channels (the last three halve the image), average pooling, a linear classifier per branch, and a projection head
/// 8w -> 8w -> ReLU -> 128. Images may have any size.
/// </summary>
/// <remarks>
/// The main branch's entries of <c>state_dict</c> have the names and shapes of the PyTorch network in Wang et al., ICML 2022. The auxiliary branch adds
/// <c>auxiliary_linear</c> and, at every BatchNorm, <c>auxiliary</c>.
/// </remarks>
public sealed class DualBranchResNet : Module<Tensor, Branch, BranchOutput>
{
    /// <summary>Columns of the projection.</summary>
    public const int ProjectionWidth = 128;

    /// <summary>How the names of <see cref="Method"/>'s entries in <c>state_dict</c> begin.</summary>
    internal const string MethodPrefix = "method.";

    private readonly Convolution conv1;
    private readonly DualBranchBatchNorm2d bn1;
    private readonly ModuleList<BasicBlock> layer1;
    private readonly ModuleList<BasicBlock> layer2;
    private readonly ModuleList<BasicBlock> layer3;
    private readonly ModuleList<BasicBlock> layer4;
    private readonly Linear linear;
    private readonly Linear auxiliary_linear;
    private readonly Sequential projection;
    private readonly MethodState? method;

    /// <summary>Creates the network with PyTorch's default initialisation, drawn from a generator of its own; both branches start equal.</summary>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="classCount">C, the number of classes.</param>
    /// <param name="width">Channels of the first stage; 64 in the literature.</param>
    /// <param name="seed">Seed of the initial weights: the same seed gives the same weights.</param>
    /// <param name="precision">Arithmetic of the convolutions.</param>
    /// <param name="device">What BatchNorm's kernels run on, in the memory of the tensors; null for torch's operations.</param>
    public DualBranchResNet(
        ResNetDepth depth, int classCount, int width = 64, ulong seed = 0, Precision precision = Precision.Float32, KernelDevice? device = null)
        : this(depth, new NetworkHead(classCount), width, seed, precision, device)
    {
    }

    /// <summary>Creates the network with another head than a plain classifier.</summary>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="head">What is behind the features.</param>
    /// <param name="width">Channels of the first stage; 64 in the literature.</param>
    /// <param name="seed">Seed of the initial weights: the same seed gives the same weights.</param>
    /// <param name="precision">Arithmetic of the convolutions.</param>
    /// <param name="device">What BatchNorm's kernels run on, in the memory of the tensors; null for torch's operations.</param>
    public DualBranchResNet(
        ResNetDepth depth, NetworkHead head, int width = 64, ulong seed = 0, Precision precision = Precision.Float32, KernelDevice? device = null)
        : base(nameof(DualBranchResNet))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(head.ClassCount, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        var blocks = Blocks(depth);
        conv1 = new Convolution(new ConvolutionShape(3, width, Kernel: 3));
        bn1 = new DualBranchBatchNorm2d(width, device);
        layer1 = Stage(blocks[0], width, width, stride: 1, device);
        layer2 = Stage(blocks[1], width, 2 * width, stride: 2, device);
        layer3 = Stage(blocks[2], 2 * width, 4 * width, stride: 2, device);
        layer4 = Stage(blocks[3], 4 * width, 8 * width, stride: 2, device);
        linear = Linear(8 * width, head.Columns);
        auxiliary_linear = Linear(8 * width, head.Columns);
        projection = Sequential(Linear(8 * width, 8 * width), ReLU(), Linear(8 * width, ProjectionWidth));
        method = head.Prototypes > 0 || head.KeepsClassShares ? new MethodState(head, 8 * width) : null;
        Head = head;
        RegisterComponents();
        Initialisation.Draw(this, seed);
        CopyMainToAuxiliary();
        Precision = precision != Precision.Auto ? precision : CpuFeatures.IsFastInBFloat16 ? Precision.BFloat16 : Precision.Float32;
    }

    /// <summary>Arithmetic of the convolutions, resolved: never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision { get; }

    /// <summary>What is behind the features.</summary>
    public NetworkHead Head { get; }

    /// <summary>What the method keeps beside the classifier; null for a plain one.</summary>
    public MethodState? Method => method;

    /// <summary>Computes one branch; gradients flow to the parameters that are trainable.</summary>
    /// <param name="images">(B, 3, H, W) in [0, 1]; fastest when stored channels last and the weights are, too (<see cref="ChannelsLast"/>).</param>
    /// <param name="branch">Which BatchNorm and classifier to use.</param>
    public override BranchOutput forward(Tensor images, Branch branch) => forward(images, branch, 0);

    /// <summary>Computes one branch; gradients flow to the parameters that are trainable.</summary>
    /// <param name="images">(B, 3, H, W) in [0, 1]; fastest when stored channels last and the weights are, too (<see cref="ChannelsLast"/>).</param>
    /// <param name="branch">Which BatchNorm and classifier to use.</param>
    /// <param name="inDistributionImages">
    /// How many images, from the first, the auxiliary branch's running statistics track while the main branch is trained; 0 leaves them alone.
    /// </param>
    public BranchOutput forward(Tensor images, Branch branch, long inDistributionImages)
    {
        using var scope = NewDisposeScope();
        var features = Features(images, branch, inDistributionImages);
        var classifier = branch == Branch.Main ? linear : auxiliary_linear;
        return new BranchOutput(
            classifier.forward(features).MoveToOuterDisposeScope(),
            features.MoveToOuterDisposeScope(),
            functional.normalize(projection.forward(features)).MoveToOuterDisposeScope());
    }

    /// <summary>Both branches in evaluation mode and without gradients; the module's mode is the same afterwards.</summary>
    /// <param name="images">(B, 3, H, W) in [0, 1].</param>
    public ModelOutput Predict(Tensor images)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return InEvaluationMode(() =>
        {
            var main = forward(images, Branch.Main);
            var auxiliaryLogits = auxiliary_linear.forward(Features(images, Branch.Auxiliary, 0));
            return new ModelOutput(
                main.Logits.MoveToOuterDisposeScope(),
                auxiliaryLogits.MoveToOuterDisposeScope(),
                main.Features.MoveToOuterDisposeScope(),
                main.Projection.MoveToOuterDisposeScope());
        });
    }

    /// <summary>Computes something in evaluation mode; the module's mode is the same afterwards.</summary>
    internal T InEvaluationMode<T>(Func<T> compute)
    {
        var wasTraining = training;
        eval();
        try
        {
            return compute();
        }
        finally
        {
            train(wasTraining);
        }
    }

    /// <summary>Overwrites the auxiliary branch's BatchNorm and classifier with those of the main branch: the start of the second phase.</summary>
    /// <param name="keepsStatistics">Whether the auxiliary branch's running statistics stay as they are.</param>
    public void CopyMainToAuxiliary(bool keepsStatistics = false)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var normalisation in modules().OfType<DualBranchBatchNorm2d>())
        {
            normalisation.CopyMainToAuxiliary(keepsStatistics);
        }

        auxiliary_linear.weight!.copy_(linear.weight!);
        auxiliary_linear.bias!.copy_(linear.bias!);
    }

    /// <summary>Freezes every parameter but the named ones, and returns those with their names in the order of <c>state_dict</c>.</summary>
    public IReadOnlyList<(string Name, Parameter Parameter)> MakeTrainable(TrainableParameters trainable)
    {
        var chosen = new List<(string, Parameter)>();
        foreach (var (name, parameter) in named_parameters())
        {
            parameter.requires_grad = IsTrainable(name, trainable);
            if (parameter.requires_grad)
            {
                chosen.Add((name, parameter));
            }
        }

        return chosen;
    }

    /// <summary>The convolutions in their order, each with the rows and columns of its input, for images of that size.</summary>
    internal IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width)
    {
        yield return (conv1, height, width);
        foreach (var block in Blocks())
        {
            foreach (var visited in block.Convolutions(height, width))
            {
                yield return visited;
            }

            (height, width) = block.OutputSize(height, width);
        }
    }

    /// <summary>One branch as it is deployed: evaluation mode, its BatchNorm folded into the convolutions, float32.</summary>
    internal FoldedNetwork Fold(Branch branch)
    {
        var classifier = branch == Branch.Main ? linear : auxiliary_linear;
        return new FoldedNetwork(
            FoldedConvolution.Of(conv1, bn1, branch),
            [.. Blocks().Select(block => block.Fold(branch))],
            FoldedConvolution.Values(classifier.weight!),
            FoldedConvolution.Values(classifier.bias!));
    }

    private static bool IsTrainable(string name, TrainableParameters trainable)
    {
        var isClassifier = name.StartsWith("auxiliary_linear.", StringComparison.Ordinal);
        var isBatchNorm = name.Contains(".auxiliary.", StringComparison.Ordinal);
        return trainable switch
        {
            TrainableParameters.BatchNormAndClassifier => isBatchNorm || isClassifier,
            TrainableParameters.BatchNorm => isBatchNorm,
            TrainableParameters.Classifier => isClassifier,
            _ => !isBatchNorm && !isClassifier,
        };
    }

    /// <summary>Blocks of each stage.</summary>
    internal static int[] Blocks(ResNetDepth depth) => depth == ResNetDepth.ResNet18 ? [2, 2, 2, 2] : [3, 4, 6, 3];

    private static ModuleList<BasicBlock> Stage(int blocks, long inputChannels, long outputChannels, long stride, KernelDevice? device) => new(
    [
        new BasicBlock(inputChannels, outputChannels, stride, device),
        .. Enumerable.Range(1, blocks - 1).Select(_ => new BasicBlock(outputChannels, outputChannels, stride: 1, device)),
    ]);

    private IEnumerable<BasicBlock> Blocks() => layer1.Concat(layer2).Concat(layer3).Concat(layer4);

    // (B, 3, H, W) -> (B, 8 * width)
    private Tensor Features(Tensor images, Branch branch, long inDistributionImages)
    {
        using var scope = NewDisposeScope();
        using var autocast = Autocast.Begin(images.device_type, Precision);
        var hidden = bn1.forward(conv1.forward(images), branch, inDistributionImages, BatchNormActivation.Rectify);
        foreach (var block in Blocks())
        {
            using var input = hidden;
            hidden = block.forward(input, branch, inDistributionImages);
        }

        return hidden.to(linear.weight!.dtype).mean([2, 3]).MoveToOuterDisposeScope();
    }
}
