using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Losses;

/// <summary>
/// The partial and asymmetric contrastive loss (Wang et al., ICML 2022): tail-class images are pulled towards their class and pushed away from the other tail
/// classes and from the outliers. Head-class images take no part, and outliers are only ever pushed away from.
/// </summary>
/// <remarks>
/// With s_ij = f_i . f_j / temperature, anchors A (the rows of tail-class images, both views), outliers O, and P_i the other anchors of i's class:
/// <code>
/// L = 1/|A| sum_{i in A} w_i ( -1/|P_i| sum_{p in P_i} ( s_ip - log sum_{j in A + O, j != i} exp(s_ij) ) )
/// </code>
/// A batch without a tail-class image gives 0, with gradients that are zero. On the CPU the labels are read and only the rows that take part are computed
/// (<c>HostContrastiveLossFunction</c>), in float64 where the features are, else in float32. Elsewhere nothing is read back from the device: selection is
/// by masks. <see cref="FusedContrastiveLossReference"/> is the same in double precision.
/// <para>
/// With a <see cref="KernelDevice"/>, kernels compute the loss in float32 (<see cref="FusedContrastiveLoss"/>): one launch forward, one backward. Graphs of
/// those, and on the CPU, are differentiable once and are best run backward by <see cref="KernelGradients.Backward"/>.
/// </para>
/// </remarks>
public sealed class PasclLoss : Module<Tensor, Tensor, Tensor>
{
    private readonly double temperature;
    private readonly bool[] tailFlags;
    private readonly HostMaskedLoss rowLoss;
    private readonly ContrastiveMasks masks;
    private readonly Tensor classWeightsOfKernels;
    private readonly FusedContrastiveLossOperation? operation;

    /// <summary>Creates the loss for a classification task with C classes.</summary>
    /// <param name="tailClasses">C flags: whether the class belongs to the tail.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="classWeights">C weights of the anchors by class; 1 for each class where it is null.</param>
    /// <param name="device">What kernels run on, the device of the features; null for torch's operations.</param>
    public PasclLoss(IReadOnlyList<bool> tailClasses, double temperature, IReadOnlyList<double>? classWeights = null, KernelDevice? device = null)
        : base(nameof(PasclLoss))
    {
        if (classWeights is not null && classWeights.Count != tailClasses.Count)
        {
            throw new ArgumentException(
                $"There are {classWeights.Count} class weights for {tailClasses.Count} classes; there must be one per class.", nameof(classWeights));
        }

        if (!(temperature > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be above 0.");
        }

        this.temperature = temperature;
        double[] weights = [.. classWeights ?? Enumerable.Repeat(1.0, tailClasses.Count)];
        tailFlags = [.. tailClasses];
        rowLoss = new HostMaskedLoss(weights, temperature);
        masks = new ContrastiveMasks(tailFlags, weights);
        classWeightsOfKernels = tensor(Array.ConvertAll(weights, weight => (float)weight)).DetachFromDisposeScope(); // (C)
        var ranks = ProcessGroup.Current;
        operation = device is null
            ? null
            : new FusedContrastiveLossOperation(new FusedContrastiveLoss(device, temperature, share: new AnchorShare(ranks.Rank, ranks.Size)), device, ranks);
        RegisterComponents();
    }

    /// <summary>Computes the loss of a batch, a scalar.</summary>
    /// <param name="features">(2N + K, d), rows of unit length: the first view of N images, their second view, and K outliers.</param>
    /// <param name="labels">(N), int64: the images' classes.</param>
    public override Tensor forward(Tensor features, Tensor labels)
    {
        var anchorRows = 2 * labels.shape[0];
        if (features.dim() != 2 || features.shape[0] < anchorRows)
        {
            throw new ArgumentException(
                $"features is ({string.Join(", ", features.shape)}) for {labels.shape[0]} labels; it must be (2 * {labels.shape[0]} + outliers, width).", nameof(features));
        }

        using var scope = NewDisposeScope();
        if (operation is not null)
        {
            var rows = features.to(ScalarType.Float32).contiguous();
            return FusedContrastiveLossFunction.Loss(operation, rows, labels, masks.IsTailClass, classWeightsOfKernels).MoveToOuterDisposeScope();
        }

        return (features.device_type == DeviceType.CPU ? OnHost(features, labels) : ByTorch(features, labels)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            operation?.Kernels.Dispose();
        }

        base.Dispose(disposing);
    }

    // The labels are on the CPU already, and about one row in twenty-five is an anchor.
    private Tensor OnHost(Tensor features, Tensor labels)
    {
        var rows = (features.dtype == ScalarType.Float64 ? features : features.to(ScalarType.Float32)).contiguous();
        var classes = labels.data<long>().ToArray();
        return HostContrastiveLossFunction.Loss(rowLoss, rows, ContrastiveParticipants.Of(classes, (int)rows.shape[0], tailFlags));
    }

    // Elsewhere reading the labels would make the host wait.
    private Tensor ByTorch(Tensor features, Tensor labels)
    {
        var (exclusion, targets) = masks.Of(features, labels);
        var anchors = features.narrow(0, 0, targets.shape[0]) / temperature; // (2N, d)
        var similarity = exclusion.addmm(anchors, features.t(), beta: 1, alpha: 1); // (2N, 2N + K)
        return functional.cross_entropy(similarity, targets, reduction: Reduction.Sum);
    }
}

/// <summary>The rows of a batch that take part in the contrastive loss: the images of tail classes, which are its anchors, then the outliers.</summary>
/// <param name="Rows">(M + K): their numbers in the batch.</param>
/// <param name="AnchorClasses">(M): the classes of the first M.</param>
internal sealed record ContrastiveParticipants(int[] Rows, int[] AnchorClasses)
{
    /// <summary>Picks them.</summary>
    /// <param name="labels">(N): the classes of the images, which are the first N rows and again the next N.</param>
    /// <param name="rowCount">2N + K.</param>
    /// <param name="isTailClass">(C).</param>
    /// <exception cref="ArgumentException">A label is not one of the C classes.</exception>
    public static ContrastiveParticipants Of(ReadOnlySpan<long> labels, int rowCount, bool[] isTailClass)
    {
        var (rows, classes) = (new List<int>(rowCount), new List<int>());
        for (var row = 0; row < 2 * labels.Length; row++)
        {
            var label = labels[row % labels.Length];
            if (label < 0 || label >= isTailClass.Length)
            {
                throw new ArgumentException($"There is a label {label}, but the classes are 0 to {isTailClass.Length - 1}.");
            }

            if (isTailClass[label])
            {
                rows.Add(row);
                classes.Add((int)label);
            }
        }

        for (var row = 2 * labels.Length; row < rowCount; row++)
        {
            rows.Add(row);
        }

        return new ContrastiveParticipants([.. rows], [.. classes]);
    }
}

/// <summary>
/// <see cref="FusedContrastiveLoss"/> as a differentiable operation on tensors. Of several ranks, all of which have all rows, each takes a share of the anchors, and their
/// losses and gradients are summed.
/// </summary>
internal sealed class FusedContrastiveLossFunction : KernelFunction<FusedContrastiveLossFunction>
{
    private const string Operation = "operation";
    private const string Images = "images";

    /// <summary>Computes the loss, a scalar.</summary>
    /// <param name="operation">The kernels.</param>
    /// <param name="features">(2N + K, width), float32.</param>
    /// <param name="labels">(N), int64; has no gradient, nor have the others.</param>
    /// <param name="isTailClass">(C), bool.</param>
    /// <param name="classWeights">(C), float32.</param>
    public static Tensor Loss(FusedContrastiveLossOperation operation, Tensor features, Tensor labels, Tensor isTailClass, Tensor classWeights) =>
        Apply(features, labels, isTailClass, classWeights, operation)[0];

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (features, labels, isTailClass, classWeights) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3]);
        var operation = (FusedContrastiveLossOperation)arguments[4];
        var matrix = TensorMemory.Matrix<float>(features, operation.Device);
        var images = (int)labels.shape[0];
        var state = empty(operation.Kernels.StateLength(images, matrix.Rows - (2 * images), matrix.Columns), ScalarType.Float32, features.device);
        var loss = empty([], ScalarType.Float32, features.device);
        operation.Kernels.Forward(
            matrix,
            TensorMemory.Vector<long>(labels, operation.Device),
            TensorMemory.Vector<byte>(isTailClass, operation.Device),
            TensorMemory.Vector<float>(classWeights, operation.Device),
            TensorMemory.Vector<float>(loss, operation.Device),
            TensorMemory.Vector<float>(state, operation.Device));

        operation.Ranks.Sum(loss, ExchangePart.ContrastiveLoss);

        // Torch takes its reference after this method, in whose scope the state was made, but before the end of the scope around it.
        context.save_for_backward([features, state.MoveToOuterDisposeScope()]);
        context.save_data(Operation, operation);
        context.save_data(Images, images);
        return [loss];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
    {
        var (features, state) = (saved[0], saved[1]);
        var operation = (FusedContrastiveLossOperation)context.get_data(Operation);
        var gradient = empty(features.shape, ScalarType.Float32, features.device);
        operation.Kernels.Backward(
            TensorMemory.Matrix<float>(features, operation.Device),
            (int)context.get_data(Images),
            TensorMemory.Vector<float>(gradients[0]!, operation.Device),
            TensorMemory.Vector<float>(state, operation.Device),
            TensorMemory.Matrix<float>(gradient, operation.Device));
        operation.Ranks.Sum(gradient, ExchangePart.ContrastiveLoss);
        return [gradient, null, null, null, null];
    }
}

/// <summary>The kernels of the contrastive loss and where they run.</summary>
/// <param name="Kernels">The kernels.</param>
/// <param name="Device">What they run on.</param>
/// <param name="Ranks">Who shares the anchors.</param>
internal sealed record FusedContrastiveLossOperation(FusedContrastiveLoss Kernels, KernelDevice Device, ProcessGroup Ranks);
