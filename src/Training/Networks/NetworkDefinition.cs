using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Devices;

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
