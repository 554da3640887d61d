using System.Security.Cryptography;
using System.Text;
using Pascl.Training.Devices;
using Pascl.Training.Ranks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// A network that can be trained here: shared convolutions with two branches of BatchNorm (<see cref="DualBranchBatchNorm2d"/>), behind them a linear classifier for
/// each branch and a projection, features -> features -> ReLU -> 128. A subclass says how images become features; heads, phases, scores, checkpoints and export ask
/// nothing else of it.
/// </summary>
/// <remarks>
/// The constructor of a subclass makes its layers as fields and ends with <see cref="Complete"/>. Entries of <c>state_dict</c>: the subclass's fields, <c>linear</c>,
/// <c>auxiliary_linear</c>, <c>projection</c> and, where a method keeps something, <c>method</c>; every BatchNorm adds <c>auxiliary</c>.
/// </remarks>
public abstract class DualBranchNetwork : Module<Tensor, Branch, BranchOutput>
{
    /// <summary>Columns of the projection.</summary>
    public const int ProjectionWidth = 128;

    /// <summary>How the names of <see cref="Method"/>'s entries in <c>state_dict</c> begin.</summary>
    internal const string MethodPrefix = "method.";

    private const string Classifier = "linear";
    private const string AuxiliaryClassifier = "auxiliary_linear";
    private const string ProjectionHead = "projection";
    private const string Mean = "mean";
    private const string Deviation = "deviation";

    private static readonly string[] HeadPrefixes = [$"{Classifier}.", $"{AuxiliaryClassifier}.", $"{ProjectionHead}.", MethodPrefix];

    private readonly Ends ends;

    /// <summary>Makes what is behind the features.</summary>
    /// <param name="name">Name of the module.</param>
    /// <param name="settings">Head, seed and arithmetic.</param>
    /// <param name="featureWidth">Columns of the features.</param>
    /// <param name="input">What the images must be like.</param>
    protected DualBranchNetwork(string name, NetworkSettings settings, int featureWidth, NetworkInput input)
        : base(name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Head.ClassCount, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Width, 1);
        (Head, FeatureWidth, Input) = (settings.Head, featureWidth, input);
        Precision = settings.Precision != Precision.Auto ? settings.Precision : CpuFeatures.IsFastInBFloat16 ? Precision.BFloat16 : Precision.Float32;
        ends = new Ends(
            Linear(featureWidth, Head.Columns),
            Linear(featureWidth, Head.Columns),
            Sequential(Linear(featureWidth, featureWidth), ReLU(), Linear(featureWidth, ProjectionWidth)),
            Head.KeepsState ? new MethodState(Head, featureWidth) : null);
    }

    /// <summary>Arithmetic of the convolutions, resolved: never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision { get; }

    /// <summary>What is behind the features.</summary>
    public NetworkHead Head { get; }

    /// <summary>Columns of the features.</summary>
    public int FeatureWidth { get; }

    /// <summary>What the images must be like.</summary>
    public NetworkInput Input { get; }

    /// <summary>What the method keeps beside the classifier; null for a plain one.</summary>
    public MethodState? Method => ends.Method;

    /// <summary>Computes one branch; gradients flow to the parameters that are trainable.</summary>
    /// <param name="images">(B, 3, H, W) in [0, 1]; fastest when stored channels last and the weights are, too (<see cref="ChannelsLast"/>).</param>
    /// <param name="branch">Which BatchNorm and classifier to use.</param>
    public override BranchOutput forward(Tensor images, Branch branch)
    {
        using var scope = NewDisposeScope();
        var features = Features(images, branch);
        return new BranchOutput(
            ClassifierOf(branch).forward(features).MoveToOuterDisposeScope(),
            features.MoveToOuterDisposeScope(),
            Project(features).MoveToOuterDisposeScope());
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
            var auxiliaryLogits = ends.AuxiliaryClassifier.forward(Features(images, Branch.Auxiliary));
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
    public void CopyMainToAuxiliary()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var normalisation in modules().OfType<DualBranchBatchNorm2d>())
        {
            normalisation.CopyMainToAuxiliary();
        }

        ends.AuxiliaryClassifier.weight!.copy_(ends.Classifier.weight!);
        ends.AuxiliaryClassifier.bias!.copy_(ends.Classifier.bias!);
    }

    /// <summary>Whether a parameter stands behind the features: classifiers, projection, and what a method keeps. The others are the backbone.</summary>
    public static bool IsInHead(string name) => HeadPrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Freezes every parameter but those of a branch that are named, and returns those with their names in the order of <c>state_dict</c>.</summary>
    /// <param name="trainable">Which of them.</param>
    /// <param name="branch">The branch; the convolutions, the projection and what a method keeps belong to the main branch.</param>
    /// <exception cref="ArgumentException">All of the auxiliary branch: it shares its convolutions with the main branch, which would change with them.</exception>
    public IReadOnlyList<(string Name, Parameter Parameter)> MakeTrainable(TrainableParameters trainable, Branch branch)
    {
        if (branch == Branch.Auxiliary && trainable == TrainableParameters.All)
        {
            throw new ArgumentException("The auxiliary branch has no convolutions of its own that could be trained.", nameof(trainable));
        }

        string[] normalisations = [.. named_modules().Where(module => module.module is DualBranchBatchNorm2d).Select(module => $"{module.name}.")];
        var chosen = new List<(string, Parameter)>();
        foreach (var (name, parameter) in named_parameters())
        {
            var isOfBranch = IsOf(name, branch);
            var isBatchNorm = normalisations.Any(normalisation => name.StartsWith(normalisation, StringComparison.Ordinal));
            parameter.requires_grad = isOfBranch && trainable switch
            {
                TrainableParameters.BatchNormAndClassifier => isBatchNorm || IsInHead(name),
                TrainableParameters.BatchNorm => isBatchNorm,
                TrainableParameters.Classifier => IsInHead(name),
                _ => true,
            };
            if (parameter.requires_grad)
            {
                chosen.Add((name, parameter));
            }
        }

        return chosen;
    }

    /// <summary>What an average of the weights is of: the parameters that are trainable now, and the running means and variances of the branch's BatchNorm, with their names.</summary>
    internal IEnumerable<(string Name, Tensor Value)> AveragedState(Branch branch) => named_parameters()
        .Where(entry => entry.parameter.requires_grad).Select(entry => (entry.name, (Tensor)entry.parameter))
        .Concat(named_buffers().Where(entry => entry.name.Contains("running_", StringComparison.Ordinal) && IsOf(entry.name, branch)).Select(entry => (entry.name, entry.buffer)));

    private static bool IsOf(string name, Branch branch) => name.Contains("auxiliary", StringComparison.Ordinal) == (branch == Branch.Auxiliary);

    /// <summary>The convolutions in their order, each with the rows and columns of its input, for images of that size.</summary>
    public abstract IEnumerable<(Convolution Convolution, long Height, long Width)> Convolutions(long height, long width);

    /// <summary>One branch as it is deployed: evaluation mode, its BatchNorm folded into the convolutions, float32. Null where the network has no such form.</summary>
    public virtual FoldedNetwork? Fold(Branch branch) => null;

    /// <summary>Computes the features of a branch. A subclass multiplies here as <see cref="Precision"/> says: autocast is on.</summary>
    /// <param name="images">(B, 3, H, W), normalised where <see cref="Input"/> says so.</param>
    /// <param name="branch">Which BatchNorm to use.</param>
    /// <returns>(B, <see cref="FeatureWidth"/>, H', W'), whose average over the image are the features; the caller disposes it.</returns>
    protected abstract Tensor LastStage(Tensor images, Branch branch);

    /// <summary>Registers the layers, draws the initial weights from a generator of its own, and makes both branches equal.</summary>
    /// <param name="seed">Seed of the generator.</param>
    /// <param name="hasNormalConvolutions">
    /// Whether the weights of convolutions are normal, with the variance 2 / (output channels * kernel^2), as torchvision's; otherwise they are uniform, as PyTorch's
    /// defaults.
    /// </param>
    protected void Complete(ulong seed, bool hasNormalConvolutions = false)
    {
        RegisterComponents();
        register_module(Classifier, ends.Classifier);
        register_module(AuxiliaryClassifier, ends.AuxiliaryClassifier);
        register_module(ProjectionHead, ends.Projection);
        if (ends.Method is not null)
        {
            register_module("method", ends.Method);
        }

        if (Input.Normalisation is { } normalisation)
        {
            // Not stored: it belongs to the kind of network, not to its weights.
            register_buffer(Mean, Channels(normalisation.Mean), persistent: false);
            register_buffer(Deviation, Channels(normalisation.StandardDeviation), persistent: false);
        }

        Initialisation.Draw(this, seed, hasNormalConvolutions);
        CopyMainToAuxiliary();

        static Tensor Channels(IReadOnlyList<float> values) => tensor(values.ToArray()).reshape(1, -1, 1, 1).DetachFromDisposeScope();
    }

    /// <summary>A folded network's classifier.</summary>
    protected (float[] Weight, float[] Bias) FoldClassifier(Branch branch) =>
        (FoldedConvolution.Values(ClassifierOf(branch).weight!), FoldedConvolution.Values(ClassifierOf(branch).bias!));

    /// <summary>The classifier of the classes of a branch; a method's further columns come after them and are left out.</summary>
    internal LinearClassifier ClassifierValues(Branch branch)
    {
        var (weight, bias) = FoldClassifier(branch);
        return new LinearClassifier(weight[..(Head.ClassCount * FeatureWidth)], bias[..Head.ClassCount]);
    }

    /// <summary>
    /// The projections of the main classifier's rows of some classes, as if they were features: prototypes of these classes, (classes, 128). Gradients flow into classifier and
    /// projection. Of several ranks, whose gradients are summed, the first alone has them.
    /// </summary>
    /// <param name="classes">(classes), int64, on the network's device.</param>
    internal Tensor ClassPrototypes(Tensor classes)
    {
        using var scope = NewDisposeScope();
        var prototypes = Project(ends.Classifier.weight!.index_select(0, classes));
        return (ProcessGroup.Current.IsFirst ? prototypes : prototypes.detach()).MoveToOuterDisposeScope();
    }

    /// <summary>Multiplies the columns of the main classifier: it is then that of features whose entries were multiplied.</summary>
    /// <param name="scale">(features).</param>
    internal void ScaleClassifier(Tensor scale)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        ends.Classifier.weight!.mul_(scale.to(ends.Classifier.weight.dtype));
    }

    private Tensor Project(Tensor features)
    {
        var projection = ends.Projection.forward(features);
        return Head.HasUnitProjection ? functional.normalize(projection) : projection;
    }

    private Linear ClassifierOf(Branch branch) => branch == Branch.Main ? ends.Classifier : ends.AuxiliaryClassifier;

    // (B, 3, H, W) -> (B, features)
    private Tensor Features(Tensor images, Branch branch)
    {
        using var scope = NewDisposeScope();
        var normalised = Input.Normalisation is null ? images : images.sub(get_buffer(Mean)!).div_(get_buffer(Deviation)!);
        using var autocast = Autocast.Begin(images.device_type, Precision);
        var last = LastStage(normalised, branch);
        return last.to(ends.Classifier.weight!.dtype).mean([2, 3]).MoveToOuterDisposeScope();
    }

    // What is behind the features. Not fields of the module: those are registered before a subclass's, but state_dict has them last.
    private sealed record Ends(Linear Classifier, Linear AuxiliaryClassifier, Sequential Projection, MethodState? Method);
}

/// <summary>The two branches of BatchNorm and classifier over one set of convolutions.</summary>
public enum Branch
{
    /// <summary>Trained in the first phase with outliers; gives the out-of-distribution score.</summary>
    Main,

    /// <summary>Finetuned in the second phase on in-distribution images alone; gives the class.</summary>
    Auxiliary,
}

/// <summary>A linear classifier, z = W f + b.</summary>
/// <param name="Weight">W, (C, features), row-major.</param>
/// <param name="Bias">b, (C).</param>
public sealed record LinearClassifier(float[] Weight, float[] Bias)
{
    /// <summary>W, (C, features), float64 in the current dispose scope.</summary>
    internal Tensor WeightTensor() => tensor(Weight, [Bias.Length, Weight.Length / Bias.Length]).to(float64);

    /// <summary>b, (C), float64 in the current dispose scope.</summary>
    internal Tensor BiasTensor() => tensor(Bias).to(float64);
}

/// <summary>What one branch computes for a batch of B images with C classes; float32 in every precision.</summary>
/// <param name="Logits">(B, columns of the head): the branch's classifier; C columns where it is a plain one.</param>
/// <param name="Features">(B, features): the average of the last stage over the image.</param>
/// <param name="Projection">(B, 128): the projection head of the contrastive loss; rows of unit length unless the head says otherwise.</param>
public sealed record BranchOutput(Tensor Logits, Tensor Features, Tensor Projection);

/// <summary>What the model says about a batch of B images with C classes at inference.</summary>
/// <param name="MainLogits">(B, C), or as many columns as the method's head has: the main branch, from which the out-of-distribution score is computed.</param>
/// <param name="AuxiliaryLogits">As many columns: the auxiliary branch, which names the class.</param>
/// <param name="Features">(B, features): the main branch's features.</param>
/// <param name="Projection">(B, 128): the main branch's projection, as above.</param>
public sealed record ModelOutput(Tensor MainLogits, Tensor AuxiliaryLogits, Tensor Features, Tensor Projection);

/// <summary>Which parameters of its branch a phase trains; the others are frozen.</summary>
public enum TrainableParameters
{
    /// <summary>All of them: of the main branch, with the convolutions, alone.</summary>
    All,

    /// <summary>BatchNorm and classifier; of the main branch the projection and what a method keeps as well.</summary>
    BatchNormAndClassifier,

    /// <summary>BatchNorm alone.</summary>
    BatchNorm,

    /// <summary>The classifier alone, BatchNorm uses the running statistics; of the main branch the projection and what a method keeps as well.</summary>
    Classifier,
}

/// <summary>What tells the weights of one network from those of another, in whatever file they are.</summary>
public static class WeightHash
{
    /// <summary>The SHA-256 of the names and bytes of all parameters and buffers, in ordinal order of the names, in hexadecimal digits.</summary>
    public static string Of(torch.nn.Module network)
    {
        using var scope = torch.NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in network.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}\n"));
            hash.AppendData(tensor.detach().cpu().contiguous().bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
