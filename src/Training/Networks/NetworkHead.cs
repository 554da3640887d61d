using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

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
