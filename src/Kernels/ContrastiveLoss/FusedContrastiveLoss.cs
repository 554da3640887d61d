using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss and its gradient from the features of a whole batch, on a device: one launch each, nothing read back, the
/// similarities never stored. <see cref="FusedContrastiveLossReference"/> has the equations.
/// </summary>
/// <remarks>
/// Which images are of a tail class is found out on the device. The same input gives the same bits. Arithmetic is float32; rows that begin at multiples of
/// 16 bytes are read faster. It is made for the tens to hundreds of anchors of a training batch; for many thousands of rows tensor cores are faster. An object
/// serves one stream of work at a time.
/// </remarks>
public sealed class FusedContrastiveLoss : IDisposable
{
    // From here on every term of rows of unit length is a normal float32, with room for rows that are a little longer: exp(-2 / 0.03) = 1e-29.
    private const double LowestForFixedShift = 0.03;

    // Tile pairs are counted in 32 bits.
    private const int MostRows = 1 << 19;

    private readonly float temperature;
    private readonly int blocks;
    private readonly Kernel forward;
    private readonly Kernel backward;
    private readonly DeviceBuffer<int> tickets;

    // The last batch's, as each step asks several times.
    private (int Images, int Outliers, int Width, long Length) lastState;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">What they run on.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="variant">
    /// How exponents are shifted. <see cref="FusedContrastiveLossVariant.FixedShift"/> relies on the caller's rows being of unit length; nothing checks it.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is not above 0.</exception>
    public FusedContrastiveLoss(KernelDevice device, double temperature, FusedContrastiveLossVariant variant = FusedContrastiveLossVariant.Automatic)
    {
        if (!(temperature > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be above 0.");
        }

        this.temperature = (float)temperature;
        Variant = variant switch
        {
            FusedContrastiveLossVariant.Automatic when temperature < LowestForFixedShift => FusedContrastiveLossVariant.RowMaximum,
            FusedContrastiveLossVariant.Automatic => FusedContrastiveLossVariant.FixedShift,
            FusedContrastiveLossVariant.FixedShift or FusedContrastiveLossVariant.RowMaximum => variant,
            _ => throw new ArgumentOutOfRangeException(nameof(variant), variant, "This is not a variant."),
        };
        (forward, backward) = Variant == FusedContrastiveLossVariant.FixedShift
            ? (device.Load(FusedContrastiveLossKernels.Forward<FixedShift>), device.Load(FusedContrastiveLossKernels.Backward<FixedShift>))
            : (device.Load(FusedContrastiveLossKernels.Forward<RowMaximum>), device.Load(FusedContrastiveLossKernels.Backward<RowMaximum>));

        // On the simulator so many that small batches have rows with several parts.
        blocks = device.IsSimulator ? 12 : 2 * device.Multiprocessors;
        tickets = device.Allocate<int>(new int[2 * blocks]);
    }

    /// <summary>The variant in use, never <see cref="FusedContrastiveLossVariant.Automatic"/>.</summary>
    public FusedContrastiveLossVariant Variant { get; }

    /// <summary>How many elements of state a batch needs from its forward pass to its backward pass.</summary>
    /// <param name="images">N, the images with a label; each has two rows.</param>
    /// <param name="outliers">K, the rows without.</param>
    /// <param name="width">Columns of a row.</param>
    public long StateLength(int images, int outliers, int width)
    {
        if ((lastState.Images, lastState.Outliers, lastState.Width) != (images, outliers, width))
        {
            lastState = (images, outliers, width, ContrastiveState.Length(images, outliers, width, blocks));
        }

        return lastState.Length;
    }

    /// <summary>Computes the loss.</summary>
    /// <param name="features">(2N + K, width), rows of unit length: the first view of N images, their second view, and K outliers.</param>
    /// <param name="labels">(N): the images' classes, from 0 to C - 1.</param>
    /// <param name="isTailClass">(C): 1 for classes of the tail, whose images are anchors; 0 for the others, which take no part.</param>
    /// <param name="classWeights">(C): the weight of a class's anchors.</param>
    /// <param name="loss">One element, receives the loss; 0 where no image is of a tail class.</param>
    /// <param name="state">At least <see cref="StateLength"/> elements at a multiple of 16 bytes, receives what <see cref="Backward"/> needs.</param>
    /// <exception cref="ArgumentException">Shapes do not fit; the message names both.</exception>
    public void Forward(
        DeviceMatrix<float> features,
        DeviceVector<long> labels,
        DeviceVector<byte> isTailClass,
        DeviceVector<float> classWeights,
        DeviceVector<float> loss,
        DeviceVector<float> state)
    {
        var parts = Part(features, labels.Length, state);
        Check(loss.Length == 1, $"loss has {loss.Length} elements; it must have 1.");
        Check(
            isTailClass.Length == classWeights.Length,
            $"isTailClass has {isTailClass.Length} elements but classWeights has {classWeights.Length}; both must have one per class.");
        var images = (int)labels.Length;
        var outliers = features.Rows - (2 * images);
        var most = ContrastivePlan.Forward(images, outliers, blocks);
        forward.Launch(
            new LaunchShape(Math.Max(1, Math.Min(blocks, most.Items)), FusedContrastiveLossKernels.Threads),
            features,
            features.RowStride,
            features.Columns,
            IsAligned(features),
            labels,
            isTailClass,
            classWeights,
            outliers,
            Scale,
            blocks,
            loss,
            parts.TailImages,
            parts.Order,
            parts.Rows,
            parts.Sums,
            tickets.Vector);
    }

    /// <summary>Computes the gradient with respect to the features, of the batch whose state it is given.</summary>
    /// <param name="features">(2N + K, width): the same as in the forward pass.</param>
    /// <param name="images">N.</param>
    /// <param name="upstream">One element: the gradient with respect to the loss.</param>
    /// <param name="state">From the forward pass; its second half serves as working memory.</param>
    /// <param name="gradient">(2N + K, width), receives the gradient; 0 for images whose class is not of the tail.</param>
    /// <exception cref="ArgumentException">Shapes do not fit; the message names both.</exception>
    public void Backward(DeviceMatrix<float> features, int images, DeviceVector<float> upstream, DeviceVector<float> state, DeviceMatrix<float> gradient)
    {
        var parts = Part(features, images, state);
        Check(upstream.Length == 1, $"upstream has {upstream.Length} elements; it must have 1.");
        Check(
            gradient.Rows == features.Rows && gradient.Columns == features.Columns,
            $"gradient is {gradient} but features is {features}; both must have the same shape.");
        if (features.Rows == 0)
        {
            return;
        }

        var outliers = features.Rows - (2 * images);
        var most = ContrastivePlan.Backward(images, outliers, features.Columns, blocks);
        backward.Launch(
            new LaunchShape(Math.Max(1, Math.Min(blocks, most.Items)), FusedContrastiveLossKernels.Threads),
            features,
            features.RowStride,
            features.Columns,
            IsAligned(features),
            outliers,
            Scale,
            1 / temperature,
            blocks,
            upstream,
            parts.TailImages,
            parts.Order,
            parts.Rows,
            parts.Gradients,
            tickets.Vector,
            gradient,
            gradient.RowStride,
            IsAligned(gradient));
    }

    /// <inheritdoc/>
    public void Dispose() => tickets.Dispose();

    // log2(e) / temperature
    private float Scale => (float)(1 / (Math.Log(2) * temperature));

    private static int IsAligned(DeviceMatrix<float> matrix) => matrix.IsAligned ? 1 : 0;

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }

    private ContrastiveState Part(DeviceMatrix<float> features, long images, DeviceVector<float> state)
    {
        Check(features.Rows <= MostRows, $"features is {features}; there may be at most {MostRows} rows.");
        Check(features.Columns > 0, $"features is {features}; it must have columns.");
        Check(
            images >= 0 && features.Rows >= 2 * images,
            $"features is {features} for {images} images; it must have two rows for each image, and one for each outlier.");
        var needed = StateLength((int)images, features.Rows - (2 * (int)images), features.Columns);
        Check(state.Length >= needed, $"state has {state.Length} elements; for {images} images and features {features} it must have {needed}.");
        Check(state.Address % 16 == 0, "state must begin at a multiple of 16 bytes.");
        return new ContrastiveState(state, (int)images);
    }
}
