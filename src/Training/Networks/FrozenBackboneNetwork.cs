using System.Runtime.InteropServices;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// What is trained on the features of a frozen model: BatchNorm of the features, a linear layer to 8 x width columns (those of ResNet18), BatchNorm, ReLU, and behind
/// them the projection and the classifiers of every network here. The linear layer is what the contrastive loss and outlier exposure can shape, as they shape the
/// convolutions of a network that is trained whole; both BatchNorms have two branches, which is what auxiliary branch finetuning trains.
/// </summary>
/// <remarks>
/// It takes images, which it sends through the model, or features that the model gave before: everything behind training needs to know of neither. Its arithmetic is
/// float32. Entries of <c>state_dict</c>: <c>normalisation</c>, <c>adapter</c>, <c>adapter_normalisation</c>; the model itself stays in its file.
/// </remarks>
public sealed class FrozenBackboneNetwork : DualBranchNetwork
{
    private const int ColumnsPerWidth = 8;

    private readonly FrozenBackbone backbone;
    private readonly DualBranchBatchNorm2d normalisation;
    private readonly Linear adapter;
    private readonly DualBranchBatchNorm2d adapter_normalisation;

    /// <summary>Opens the model that <see cref="NetworkSettings.Backbone"/> names, and draws the weights behind it.</summary>
    /// <exception cref="InputException">There is no such model, or it is another one than before.</exception>
    public FrozenBackboneNetwork(NetworkSettings settings)
        : base(
            nameof(FrozenBackboneNetwork), settings with { Precision = Precision.Float32 }, ColumnsPerWidth * settings.Width,
            FrozenBackboneDefinition.Images)
    {
        backbone = FrozenBackbone.Open(settings.Backbone);
        normalisation = new DualBranchBatchNorm2d(backbone.FeatureCount, settings.Device);
        adapter = Linear(backbone.FeatureCount, FeatureWidth, hasBias: false);
        adapter_normalisation = new DualBranchBatchNorm2d(FeatureWidth, settings.Device);
        Complete(settings.Seed);
    }

    /// <summary>The model and what is known of it, to be stored with the run.</summary>
    public BackboneSettings Backbone => backbone.Settings;

    internal FrozenBackbone Model => backbone;

    /// <summary>None: those of the model are not libtorch's.</summary>
    public override IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width) => [];

    /// <summary>What follows the model, as evaluation mode computes it.</summary>
    internal FoldedHead FoldHead(Branch branch)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (scale, shift) = normalisation.Affine(branch);
        var (outerScale, outerShift) = adapter_normalisation.Affine(branch);
        var weight = adapter.weight!.to(float64).cpu() * outerScale.unsqueeze(1); // (columns, features)
        var bias = weight.mv(shift) + outerShift;
        var (classifier, classifierBias) = FoldClassifier(branch);
        return new FoldedHead(FoldedConvolution.Values(weight * scale), FoldedConvolution.Values(bias), classifier, classifierBias);
    }

    /// <inheritdoc/>
    protected override Tensor LastStage(Tensor images, Branch branch)
    {
        using var scope = NewDisposeScope();
        var areFeatures = images.shape[1] == backbone.FeatureCount && images.shape[2] == 1 && images.shape[3] == 1;
        var features = areFeatures ? images : FeaturesOf(images); // (B, F, 1, 1)
        var hidden = adapter.forward(normalisation.forward(features, branch).flatten(1)).unsqueeze(2).unsqueeze(3);
        return adapter_normalisation.forward(hidden, branch, Pascl.Kernels.BatchNormActivation.Rectify).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            backbone.Dispose();
        }

        base.Dispose(disposing);
    }

    // Every image alone, several at one time.
    private Tensor FeaturesOf(Tensor images)
    {
        using var scope = NewDisposeScope();
        var size = backbone.ImageSize;
        if (images.shape[2] != size || images.shape[3] != size)
        {
            throw new InputException($"The images are {images.shape[2]}x{images.shape[3]} pixels, but the backbone {Backbone.Path} takes {size}x{size}; read them with --image-size {size}.");
        }

        var count = (int)images.shape[0];
        var pixels = images.detach().cpu().permute(0, 2, 3, 1).contiguous();
        var features = zeros(count, backbone.FeatureCount, 1, 1);
        var finite = true;
        Parallel.For(0, count, image =>
        {
            var imageLength = size * size * PixelBlock.Channels;
            var own = MemoryMarshal.Cast<byte, float>(pixels.bytes).Slice(image * imageLength, imageLength);
            if (!backbone.Compute(own, MemoryMarshal.Cast<byte, float>(features.bytes).Slice(image * backbone.FeatureCount, backbone.FeatureCount)))
            {
                Volatile.Write(ref finite, false);
            }
        });
        return finite ? features.to(images.device).MoveToOuterDisposeScope() : throw backbone.NotFinite("an image");
    }
}

/// <summary>One branch behind a frozen model, without BatchNorm: classifier(relu(weight f + bias)).</summary>
/// <param name="Weight">(columns, features), row-major.</param>
/// <param name="Bias">One value per column.</param>
/// <param name="ClassifierWeight">(outputs, columns), row-major.</param>
/// <param name="ClassifierBias">One value per output.</param>
internal sealed record FoldedHead(float[] Weight, float[] Bias, float[] ClassifierWeight, float[] ClassifierBias);

internal sealed class FrozenBackboneDefinition : NetworkDefinition
{
    private FrozenBackboneDefinition()
    {
    }

    /// <summary>The model of <c>--backbone</c>.</summary>
    public static FrozenBackboneDefinition Instance { get; } = new();

    /// <summary>As large images are read and augmented; the model says of which size, and it is given its own normalisation.</summary>
    public static NetworkInput Images => NetworkInput.Photographs with { ImageSize = null, Normalisation = null };

    public override string Name => "frozen-backbone";

    public override NetworkInput Input => Images;

    public override DualBranchNetwork Create(NetworkSettings settings) => new FrozenBackboneNetwork(settings);
}
