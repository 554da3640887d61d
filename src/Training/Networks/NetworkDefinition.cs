using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>A kind of network that recipes can name. Another assembly adds its own by <see cref="Register"/> before it reads a recipe.</summary>
public abstract class NetworkDefinition
{
    private static readonly NamedParts<NetworkDefinition> all = new(
        "network", network => network.Name, [.. ResNet.Every, FrozenBackboneDefinition.Instance]);

    /// <summary>All kinds in the order of the help text.</summary>
    public static IReadOnlyList<NetworkDefinition> All => all.All;

    /// <summary>Name on the command line, in recipes and in messages.</summary>
    public abstract string Name { get; }

    /// <summary>What its images must be like.</summary>
    public virtual NetworkInput Input => NetworkInput.SmallImages;

    /// <summary>The kind of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public static NetworkDefinition Find(string name) => all.Find(name);

    /// <summary>Makes a kind of network available by its name.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(NetworkDefinition network) => all.Add(network);

    /// <summary>Creates a network with initial weights.</summary>
    public abstract DualBranchNetwork Create(NetworkSettings settings);

    /// <summary>Reads width and classes off the tensors of a trained network of this kind.</summary>
    /// <param name="shapes">The shape of every tensor, by the names of the main branch.</param>
    /// <returns>Null where networks of this kind cannot be imported.</returns>
    internal virtual Recognition? Recognise(IReadOnlyDictionary<string, IReadOnlyList<long>> shapes) => null;
}

/// <summary>What the weights of a network depend on, beside its kind.</summary>
/// <param name="Head">What is behind the features.</param>
/// <param name="Width">Channels of the first stage; 64 in the literature.</param>
/// <param name="Seed">Seed of the initial weights: the same seed gives the same weights.</param>
/// <param name="Precision">Arithmetic of the convolutions.</param>
/// <param name="Device">What BatchNorm's kernels run on, in the memory of the tensors; null for torch's operations.</param>
public sealed record NetworkSettings(
    NetworkHead Head, int Width = 64, ulong Seed = 0, Precision Precision = Precision.Float32, KernelDevice? Device = null)
{
    /// <summary>The model that is trained on, for a network that does; the others do not read it.</summary>
    public BackboneSettings Backbone { get; init; } = new();
}

/// <summary>What a network's images must be like.</summary>
/// <param name="ImageSize">Rows and columns that images are read with where the user names none; null for those of the files.</param>
/// <param name="Normalisation">What is subtracted from the channels, and what divides them; null for images in [0, 1].</param>
/// <param name="Augmentation">How training changes images at random.</param>
public sealed record NetworkInput(int? ImageSize, ChannelNormalisation? Normalisation, AugmentationSettings Augmentation)
{
    /// <summary>How images become squares where nothing is random: evaluation, scoring, serving.</summary>
    public ImageGeometry Geometry { get; init; } = ImageGeometry.SmallImages;

    /// <summary>The part of an image that training cuts at random; null for a crop of the whole square behind a border, by <see cref="Augmentation"/>.</summary>
    public RandomResizedCrop? Crop { get; init; }

    /// <summary>Images of any size in [0, 1], augmented as the literature does with CIFAR.</summary>
    public static NetworkInput SmallImages { get; } = new(ImageSize: null, Normalisation: null, AugmentationSettings.Cifar);

    /// <summary>Photographs, normalised by the channels' means and standard deviations over ImageNet's training images, with which torchvision's weights were trained.</summary>
    public static NetworkInput Photographs { get; } = new(
        ImageSize: 224, new ChannelNormalisation([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]), AugmentationSettings.Photographs)
    {
        Geometry = ImageGeometry.Photographs,
        Crop = RandomResizedCrop.Photographs,
    };
}

/// <summary>(x - mean) / standard deviation, for each channel of images in [0, 1].</summary>
/// <param name="Mean">Red, green, blue.</param>
/// <param name="StandardDeviation">Red, green, blue.</param>
public sealed record ChannelNormalisation(IReadOnlyList<float> Mean, IReadOnlyList<float> StandardDeviation);

/// <summary>What decides the shapes of a network.</summary>
/// <param name="Network">Name of its kind.</param>
/// <param name="Width">Channels of the first stage.</param>
/// <param name="ClassCount">Number of classes; null where there is no classifier.</param>
internal sealed record NetworkShape(string Network, int Width, int? ClassCount)
{
    /// <summary>Reads it off the tensors of a trained network.</summary>
    /// <param name="source">What the tensors come from, for the message.</param>
    /// <param name="shapes">The shape of every tensor, by the names of the main branch.</param>
    /// <param name="needsClassifier">Whether a network without a classifier is refused.</param>
    /// <exception cref="InputException">They are those of another network.</exception>
    public static NetworkShape Of(string source, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, bool needsClassifier = true)
    {
        // What is said of another network is the difference from the kind that it has most of.
        var closest = NetworkDefinition.All.Select(network => network.Recognise(shapes)).OfType<Recognition>().MaxBy(recognition => recognition.Agreement)!;
        return closest.Shape is { } shape && (shape.ClassCount is not null || !needsClassifier)
            ? shape
            : throw new InputException($"{source} holds another network than a ResNet-18, ResNet-34 or ResNet-50: {closest.Difference}. Nothing was written.");
    }

    /// <summary>A network of this shape with a plain classifier.</summary>
    public DualBranchNetwork Create() => NetworkDefinition.Find(Network).Create(new NetworkSettings(new NetworkHead(ClassCount!.Value), Width));
}

/// <summary>What a kind of network makes of somebody's tensors.</summary>
/// <param name="Shape">The network; null where it is another one.</param>
/// <param name="Agreement">How many of the checks held, in the order in which a reader would make them.</param>
/// <param name="Difference">The first that did not, as a part of a sentence; empty where all held.</param>
internal sealed record Recognition(NetworkShape? Shape, int Agreement, string Difference = "");

/// <summary>What a method puts behind the features of the network, and how it is read.</summary>
/// <param name="ClassCount">C, the number of classes.</param>
/// <param name="Columns">Outputs of a branch's classifier; C for a plain classifier.</param>
public sealed record NetworkHead(int ClassCount, int Columns)
{
    /// <summary>A plain classifier, read by its maximum softmax probability.</summary>
    /// <param name="classCount">C, the number of classes.</param>
    public NetworkHead(int classCount)
        : this(classCount, classCount)
    {
    }

    /// <summary>Vectors beside the classifier that are trained with everything else, as wide as the features.</summary>
    public int Prototypes { get; init; }

    /// <summary>Whether the network keeps a share for each class: a prior that its loss or its reading needs.</summary>
    public bool KeepsClassShares { get; init; }

    /// <summary>Whether the network keeps a mean projection for each class.</summary>
    public bool KeepsClassMeans { get; init; }

    /// <summary>Whether the network keeps a mean feature for each class, and a scale of the features' entries.</summary>
    public bool KeepsFeatureMeans { get; init; }

    /// <summary>Whether projections are scaled to unit length.</summary>
    public bool HasUnitProjection { get; init; } = true;

    /// <summary>Whether anything is kept beside the classifier.</summary>
    internal bool KeepsState => Prototypes > 0 || KeepsClassShares || KeepsClassMeans || KeepsFeatureMeans;

    /// <summary>Whether there is nothing behind the features but a column for each class.</summary>
    internal bool IsPlain => Columns == ClassCount && !KeepsState;

    /// <summary>Makes the reading from the kept class shares, which are none where nothing is kept.</summary>
    public Func<double[], Readout> Readout { get; init; } = _ => LogitReadout.MaximumSoftmax;
}

/// <summary>What a method keeps in the network beside the classifier; trained with the network, and stored in its checkpoints.</summary>
public sealed class MethodState : Module
{
    private readonly Linear? prototypes;
    private readonly Tensor? class_shares;
    private readonly Tensor? class_means;
    private readonly Tensor? feature_means;
    private readonly Tensor? feature_counts;
    private readonly Tensor? feature_scale;

    internal MethodState(NetworkHead head, long features)
        : base(nameof(MethodState))
    {
        prototypes = head.Prototypes > 0 ? Linear(features, head.Prototypes, hasBias: false) : null;
        class_shares = head.KeepsClassShares ? ones(head.ClassCount, ScalarType.Float64).div_(head.ClassCount).DetachFromDisposeScope() : null; // (C)
        class_means = head.KeepsClassMeans ? zeros(head.ClassCount, DualBranchNetwork.ProjectionWidth).DetachFromDisposeScope() : null;
        if (head.KeepsFeatureMeans)
        {
            feature_means = zeros(head.ClassCount, features, ScalarType.Float64).DetachFromDisposeScope();
            feature_counts = zeros(head.ClassCount, ScalarType.Float64).DetachFromDisposeScope();
            feature_scale = ones(features, ScalarType.Float64).DetachFromDisposeScope();
        }

        RegisterComponents();
    }

    /// <summary>(T, features): the vectors that are trained beside the classifier; null where the method has none.</summary>
    public Parameter? Prototypes => prototypes?.weight;

    /// <summary>(C), float64: a share for each class, 1/C each until the first phase begins; null where the method keeps none.</summary>
    public Tensor? ClassShares => class_shares;

    /// <summary>(C, <see cref="DualBranchNetwork.ProjectionWidth"/>): a mean projection for each class, zeros until the class is seen; null where the method keeps none.</summary>
    public Tensor? ClassMeans => class_means;

    /// <summary>(C, features), float64: a mean feature for each class; null where the method keeps none.</summary>
    public Tensor? FeatureMeans => feature_means;

    /// <summary>(C), float64: features that each of <see cref="FeatureMeans"/> is the mean of; null likewise.</summary>
    public Tensor? FeatureCounts => feature_counts;

    /// <summary>(features), float64: what the columns of the main classifier were multiplied by, ones before that; null likewise.</summary>
    public Tensor? FeatureScale => feature_scale;

    internal void Keep(double[] shares)
    {
        using var scope = NewDisposeScope();
        class_shares!.copy_(tensor(shares));
    }
}

/// <summary>
/// Initial values, drawn from a generator of its own. PyTorch's defaults (<c>reset_parameters</c>) are uniform within 1 / sqrt(fan-in), which is Kaiming initialisation
/// with a = sqrt(5). The convolutions of torchvision's ResNets are normal with the variance 2 / (output channels * kernel^2) instead (He et al. 2015, fan-out).
/// </summary>
internal static class Initialisation
{
    public static void Draw(nn.Module network, ulong seed, bool isNormal)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var generator = new Generator(seed);
        foreach (var layer in network.modules())
        {
            var (weight, bias) = layer switch
            {
                Convolution convolution => (convolution.Weight, null),
                Linear linear => (linear.weight, linear.bias),
                _ => (null, null),
            };
            if (isNormal && layer is Convolution { Shape: var shape })
            {
                weight!.normal_(0, Math.Sqrt(2.0 / (shape.OutputChannels * shape.Kernel * shape.Kernel)), generator);
            }
            else if (weight is not null)
            {
                var bound = 1 / Math.Sqrt(weight.shape.Skip(1).Aggregate(1L, (product, size) => product * size));
                weight.uniform_(-bound, bound, generator);
                bias?.uniform_(-bound, bound, generator);
            }
        }
    }
}
