using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss of a matrix of similarities, on a device. One launch forward, one launch backward.
/// <see cref="MaskedLossReference"/> has the equations.
/// </summary>
/// <remarks>
/// A label beyond the class weights makes the loss, and the gradient of its row, NaN, unless the row has no positive.
/// The upstream gradient is read on the device, so nothing waits for the host.
/// </remarks>
public sealed class MaskedLoss : IDisposable
{
    private readonly Kernel forward;
    private readonly Kernel backward;
    private readonly DeviceBuffer<int> tickets;
    private readonly int threads;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">What they run on.</param>
    /// <param name="variant">How rows are summed.</param>
    public MaskedLoss(KernelDevice device, MaskedLossVariant variant = MaskedLossVariant.Online)
        : this(device, variant, device.IsSimulator ? 32 : MaskedLossKernels.Threads)
    {
    }

    internal MaskedLoss(KernelDevice device, MaskedLossVariant variant, int threads)
    {
        this.threads = threads;
        forward = variant switch
        {
            MaskedLossVariant.TwoPass => device.Load(MaskedLossKernels.TwoPass),
            MaskedLossVariant.Online => device.Load(MaskedLossKernels.Online),
            _ => throw new ArgumentOutOfRangeException(nameof(variant), variant, "This is not a variant."),
        };
        backward = device.Load(MaskedLossKernels.Backward);
        tickets = device.Allocate<int>([0]);
    }

    /// <summary>Elements of the state between <see cref="Forward"/> and <see cref="Backward"/>.</summary>
    /// <param name="anchors">M.</param>
    public static int StateLength(int anchors) => 3 * anchors;

    /// <summary>Computes the loss.</summary>
    /// <param name="similarity">(M, M + K): similarities of the anchors to the anchors, then to the outliers; M and K may be 0.</param>
    /// <param name="labels">(M): the class of each anchor.</param>
    /// <param name="classWeights">Weight by class; 1 for each class where it is empty.</param>
    /// <param name="state">Receives what <see cref="Backward"/> needs; <see cref="StateLength"/> elements.</param>
    /// <param name="loss">(1), receives the loss.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Forward(
        DeviceMatrix<float> similarity, DeviceVector<int> labels, DeviceVector<float> classWeights, DeviceVector<float> state, DeviceVector<float> loss)
    {
        Check(similarity, labels, state, loss, nameof(loss));

        // Without an anchor one block still writes the loss.
        var shape = new LaunchShape(Math.Max(1, similarity.Rows), threads);
        forward.Launch(shape, similarity, similarity.RowStride, similarity.Rows, similarity.Columns, labels, classWeights, state, tickets.Vector, loss);
    }

    /// <summary>Computes the gradient with respect to the similarities; the other arguments are those of <see cref="Forward"/>, unchanged since.</summary>
    /// <param name="similarity">(M, M + K).</param>
    /// <param name="labels">(M).</param>
    /// <param name="classWeights">Weight by class, or empty.</param>
    /// <param name="state">What <see cref="Forward"/> wrote.</param>
    /// <param name="lossGradient">(1): the gradient with respect to the loss.</param>
    /// <param name="similarityGradient">(M, M + K), receives the gradient.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Backward(
        DeviceMatrix<float> similarity,
        DeviceVector<int> labels,
        DeviceVector<float> classWeights,
        DeviceVector<float> state,
        DeviceVector<float> lossGradient,
        DeviceMatrix<float> similarityGradient)
    {
        Check(similarity, labels, state, lossGradient, nameof(lossGradient));
        if (similarityGradient.Rows != similarity.Rows || similarityGradient.Columns != similarity.Columns)
        {
            throw new ArgumentException($"similarityGradient is {similarityGradient} but similarity is {similarity}; both must have the same shape.");
        }

        if (similarity.Rows > 0)
        {
            backward.Launch(
                new LaunchShape(similarity.Rows, threads),
                similarity,
                similarity.RowStride,
                similarity.Rows,
                similarity.Columns,
                labels,
                classWeights,
                state,
                lossGradient,
                similarityGradient,
                similarityGradient.RowStride);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => tickets.Dispose();

    private static void Check(DeviceMatrix<float> similarity, DeviceVector<int> labels, DeviceVector<float> state, DeviceVector<float> loss, string lossName)
    {
        if (similarity.Columns < similarity.Rows)
        {
            throw new ArgumentException($"similarity is {similarity}; its first columns are the anchors, so there must be at least as many columns as rows.");
        }

        if (labels.Length != similarity.Rows)
        {
            throw new ArgumentException($"labels has {labels.Length} elements but similarity is {similarity}; there must be one label per row.");
        }

        if (state.Length != StateLength(similarity.Rows))
        {
            throw new ArgumentException($"state has {state.Length} elements but similarity is {similarity}; there must be {StateLength(similarity.Rows)}.");
        }

        if (loss.Length != 1)
        {
            throw new ArgumentException($"{lossName} has {loss.Length} elements; there must be 1.");
        }
    }
}

/// <summary>How <see cref="MaskedLoss"/> sums the exponentials of a row.</summary>
public enum MaskedLossVariant
{
    /// <summary>The maximum first, then the sum below it: two readings of the matrix.</summary>
    TwoPass,

    /// <summary>One reading with a running maximum.</summary>
    Online,
}
