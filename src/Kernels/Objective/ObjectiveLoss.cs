using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// The losses of the class logits on a device: cross entropy of the in-distribution rows, outlier exposure of the outlier rows, and their weighted sum.
/// One launch forward, one launch backward. <see cref="ObjectiveLossReference"/> has the equations.
/// </summary>
/// <remarks>
/// The gradient is computed backward, from one number per row that forward leaves in the state: that moves less memory than a gradient written forward and
/// scaled backward, and each of the three losses can be differentiated. A label that is not a class makes the loss, and the gradient of its row, NaN.
/// </remarks>
public sealed class ObjectiveLoss : IDisposable
{
    /// <summary>Number of losses: their weighted sum L, L_in, L_out.</summary>
    public const int Losses = 3;

    private readonly Kernel forward;
    private readonly Kernel backward;
    private readonly DeviceBuffer<int> tickets;
    private readonly int threads;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">What they run on.</param>
    public ObjectiveLoss(KernelDevice device)
        : this(device, device.IsSimulator ? 32 : ObjectiveLossKernels.Threads)
    {
    }

    internal ObjectiveLoss(KernelDevice device, int threads)
    {
        this.threads = threads;
        forward = device.Load(ObjectiveLossKernels.Forward);
        backward = device.Load(ObjectiveLossKernels.Backward);
        tickets = device.Allocate<int>([0]);
    }

    /// <summary>Elements of the state between <see cref="Forward"/> and <see cref="Backward"/>.</summary>
    /// <param name="rows">Rows of the logits.</param>
    public static int StateLength(int rows) => 2 * rows;

    /// <summary>Computes the losses.</summary>
    /// <param name="logits">(R + K, C): R in-distribution rows, then K outlier rows; each number may be 0.</param>
    /// <param name="labels">(R): the class of each in-distribution row.</param>
    /// <param name="adjustment">(C), added to the logits of the in-distribution rows; empty for none.</param>
    /// <param name="outlierWeight">Weight of L_out in L.</param>
    /// <param name="state">Receives what <see cref="Backward"/> needs; <see cref="StateLength"/> elements.</param>
    /// <param name="losses">(3), receives L, L_in and L_out.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Forward(
        DeviceMatrix<float> logits,
        DeviceVector<long> labels,
        DeviceVector<float> adjustment,
        float outlierWeight,
        DeviceVector<float> state,
        DeviceVector<float> losses)
    {
        Check(logits, labels, adjustment, state, losses, nameof(losses));
        var rows = (int)labels.Length;
        forward.Launch(
            Shape(logits.Rows),
            logits,
            logits.RowStride,
            logits.Columns,
            rows,
            logits.Rows - rows,
            labels,
            adjustment,
            outlierWeight,
            state,
            tickets.Vector,
            losses);
    }

    /// <summary>Computes the gradient with respect to the logits; the other arguments are those of <see cref="Forward"/>, unchanged since.</summary>
    /// <param name="logits">(R + K, C).</param>
    /// <param name="labels">(R).</param>
    /// <param name="adjustment">(C) or empty.</param>
    /// <param name="outlierWeight">Weight of L_out in L.</param>
    /// <param name="state">What <see cref="Forward"/> wrote.</param>
    /// <param name="lossesGradient">(3): the gradient with respect to L, L_in and L_out as forward returned them, (1, 0, 0) for that of L alone.</param>
    /// <param name="logitsGradient">(R + K, C), receives the gradient.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Backward(
        DeviceMatrix<float> logits,
        DeviceVector<long> labels,
        DeviceVector<float> adjustment,
        float outlierWeight,
        DeviceVector<float> state,
        DeviceVector<float> lossesGradient,
        DeviceMatrix<float> logitsGradient)
    {
        Check(logits, labels, adjustment, state, lossesGradient, nameof(lossesGradient));
        if (logitsGradient.Rows != logits.Rows || logitsGradient.Columns != logits.Columns)
        {
            throw new ArgumentException($"logitsGradient is {logitsGradient} but logits is {logits}; both must have the same shape.");
        }

        if (logits.Rows == 0)
        {
            return;
        }

        var rows = (int)labels.Length;
        backward.Launch(
            Shape(logits.Rows),
            logits,
            logits.RowStride,
            logits.Columns,
            rows,
            logits.Rows - rows,
            labels,
            adjustment,
            outlierWeight,
            state,
            lossesGradient,
            logitsGradient,
            logitsGradient.RowStride);
    }

    /// <inheritdoc/>
    public void Dispose() => tickets.Dispose();

    // One warp per row; without a row one block still writes the losses.
    private LaunchShape Shape(int rows) => new(Math.Max(1, (int)(((rows * 32L) + threads - 1) / threads)), threads);

    private static void Check(
        DeviceMatrix<float> logits,
        DeviceVector<long> labels,
        DeviceVector<float> adjustment,
        DeviceVector<float> state,
        DeviceVector<float> losses,
        string lossesName)
    {
        if (logits.Columns == 0)
        {
            throw new ArgumentException($"logits is {logits}; there must be at least one class.");
        }

        if (labels.Length > logits.Rows)
        {
            throw new ArgumentException($"logits is {logits} but there are {labels.Length} labels; there must be a row for each label.");
        }

        if (adjustment.Length != 0 && adjustment.Length != logits.Columns)
        {
            throw new ArgumentException($"adjustment has {adjustment.Length} elements but logits is {logits}; there must be one per class, or none.");
        }

        if (state.Length != StateLength(logits.Rows))
        {
            throw new ArgumentException($"state has {state.Length} elements but logits is {logits}; there must be {StateLength(logits.Rows)}.");
        }

        if (losses.Length != Losses)
        {
            throw new ArgumentException($"{lossesName} has {losses.Length} elements; there must be {Losses}: the weighted sum, in-distribution and outliers.");
        }
    }
}
