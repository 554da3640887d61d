using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss of large batches and its gradient, on tensor cores. The matrix of similarities is never stored.
/// </summary>
/// <remarks>
/// The equations are those of <see cref="FusedContrastiveLossReference"/>; with E_ij = exp((x_i . x_j - 1) / temperature) they are computed as
/// <code>
/// Z_i = sum_{j != i} E_ij,   v_i = w_i / (M Z_i),   S_c = sum of the anchors of class c,   n_c their number
/// L   = 1/M ( sum_i w_i (1/temperature + log Z_i) - sum_c w_c (|S_c|^2 - sum_{i in c} |x_i|^2) / ((n_c - 1) temperature) )
/// dX  = 1/temperature ( H X - 2 w_c / (M (n_c - 1)) (S_c - x_i) ),   H_ij = (v_i + v_j) E_ij,   H_ii = 0
/// </code>
/// where classes of one anchor are left out and v is 0 for outliers. The same input gives the same bits.
/// Memory is the state and the workspace, both proportional to (M + K) width. Calls enqueue work and return.
/// <para>
/// Error against the reference in double precision, measured on the simulator with clustered unit rows, M up to 70 and widths from 7 to 256; the gradient's is
/// in the Euclidean norm and relative:
/// <code>
///              temperature 0.1                  temperature 0.03
///              loss        gradient             loss     gradient
/// BFloat16x3   6e-7..4e-6  2e-6..7e-5           5e-5     3e-5
/// BFloat16     2e-4..9e-3  7e-4..4e-2           3e-2     2e-2
/// </code>
/// Nearly all of it is the rounding of the rows and of H. Against a reference that rounds them too the loss is off by up to 2e-6, and the tests allow what float32
/// sums may lose, 1e-5 to 1e-3.
/// </para>
/// <para>
/// It pays where the products dominate: from about a thousand anchors. Below that, and on GPUs before compute capability 8.0,
/// <see cref="FusedContrastiveLoss"/> needs fewer launches and computes in float32. That boundary is an estimate from operation counts, not measured.
/// </para>
/// </remarks>
public sealed class TensorCoreContrastiveLoss : IDisposable
{
    /// <summary>The lowest temperature: below it exponentials of unlike rows could vanish in float32.</summary>
    public const float LowestTemperature = 0.03f;

    private const int WarpSize = 32;
    private const int SmallBlock = 128;
    private const int LargeBlock = 256;
    private const int LanesOfAnchor = 8;

    private readonly KernelDevice device;
    private readonly DeviceBuffer<int> ticket;
    private readonly Kernel prepare;
    private readonly Kernel sumClasses;
    private readonly Kernel forward;
    private readonly Kernel finalise;
    private readonly Kernel backward;
    private readonly Kernel combine;
    private readonly int columns;
    private readonly int width;
    private readonly int parts;
    private readonly int forwardThreads;
    private readonly int backwardThreads;
    private readonly int forwardShared;
    private readonly int backwardShared;
    private readonly int forwardSlots;
    private readonly int backwardSlots;
    private readonly int multiprocessors;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">A GPU of compute capability 8.0 or later, or the simulator.</param>
    /// <param name="width">Numbers of a row, 1 to 256. The work is that of 64, 128 or 256.</param>
    /// <param name="precision">How rows are multiplied.</param>
    /// <exception cref="DeviceException">The device has no tensor cores that take bfloat16.</exception>
    public TensorCoreContrastiveLoss(KernelDevice device, int width, ContrastivePrecision precision = ContrastivePrecision.BFloat16x3)
        : this(device, width, precision, simulatedWarps: 1, device.Multiprocessors)
    {
    }

    /// <summary>The same for a device that is taken to have so many multiprocessors, so that tests choose how many tiles a block has.</summary>
    internal TensorCoreContrastiveLoss(KernelDevice device, int width, ContrastivePrecision precision, int simulatedWarps, int multiprocessors)
    {
        if (!device.HasTensorCores)
        {
            throw new DeviceException($"{device.Name} has no tensor cores for bfloat16: they need compute capability 8.0 (A100) or later.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, 256);
        (this.device, this.multiprocessors) = (device, multiprocessors);
        columns = width;
        Precision = precision;
        ticket = device.Allocate<int>([0]);
        prepare = device.Load(TensorCoreContrastiveLossKernels.Prepare);
        sumClasses = device.Load(TensorCoreContrastiveLossKernels.SumClasses);
        finalise = device.Load(TensorCoreContrastiveLossKernels.Finalise);
        combine = device.Load(TensorCoreContrastiveLossKernels.Combine);
        this.width = width <= 64 ? 64 : width <= 128 ? 128 : 256;
        parts = precision == ContrastivePrecision.BFloat16 ? 1 : 2;

        // A block has as many rows as half its threads. The simulator is faster with one warp; a GPU reads its cache less often with more rows.
        forwardThreads = device.IsSimulator ? simulatedWarps * WarpSize : parts == 1 ? LargeBlock : SmallBlock;
        backwardThreads = device.IsSimulator ? simulatedWarps * WarpSize : SmallBlock;
        (forward, backward, forwardShared, backwardShared) = (this.width, precision) switch
        {
            (64, ContrastivePrecision.BFloat16) => Load<BFloat16Width64>(),
            (128, ContrastivePrecision.BFloat16) => Load<BFloat16Width128>(),
            (_, ContrastivePrecision.BFloat16) => Load<BFloat16Width256>(),
            (64, _) => Load<BFloat16x3Width64>(),
            (128, _) => Load<BFloat16x3Width128>(),
            _ => Load<BFloat16x3Width256>(),
        };
        forwardSlots = multiprocessors * forward.BlocksAtOnce(forwardThreads, forwardShared);
        backwardSlots = multiprocessors * backward.BlocksAtOnce(backwardThreads, backwardShared);
    }

    /// <summary>How rows are multiplied.</summary>
    public ContrastivePrecision Precision { get; }

    /// <summary>Elements of the state that a forward pass leaves for its backward pass: rows in bfloat16, v, and the class sums.</summary>
    /// <param name="anchors">M.</param>
    /// <param name="outliers">K.</param>
    /// <param name="classes">Number of classes.</param>
    public long StateLength(int anchors, int outliers, int classes) => Layout(anchors, anchors + outliers, classes).StateLength;

    /// <summary>Elements of memory that each pass uses and leaves to others afterwards.</summary>
    /// <param name="anchors">M.</param>
    /// <param name="outliers">K.</param>
    public long WorkspaceLength(int anchors, int outliers) => Layout(anchors, anchors + outliers, 1).WorkspaceLength;

    /// <summary>Computes the loss.</summary>
    /// <param name="batch">Rows, labels and weights.</param>
    /// <param name="state"><see cref="StateLength"/> elements, kept for <see cref="Backward"/>.</param>
    /// <param name="workspace"><see cref="WorkspaceLength"/> elements.</param>
    /// <param name="loss">(1): L; 0 where there is no anchor.</param>
    /// <exception cref="ArgumentException">Shapes disagree, memory is too small or not aligned, or the temperature is too low.</exception>
    public void Forward(in TensorCoreContrastiveBatch batch, DeviceVector<uint> state, DeviceVector<uint> workspace, DeviceVector<float> loss)
    {
        var layout = Check(batch, state, workspace);
        Require(loss.Length == 1, $"loss has {loss.Length} elements; it must have 1.");
        var (matrix, anchors) = (batch.Rows, (int)batch.Labels.Length);
        var (features, counts, sums) = (layout.Features(state), layout.ClassCounts(state), layout.ClassSums(state));
        prepare.Launch(
            new LaunchShape(Blocks((long)layout.PaddedRows * width / 2, Threads(LargeBlock)), Threads(LargeBlock)),
            matrix,
            features,
            counts,
            sums,
            matrix.Rows,
            columns,
            matrix.RowStride,
            layout.PaddedRows,
            width / 2,
            parts);
        if (anchors > 0)
        {
            // Enough blocks for the device, and long runs of one class where there are many anchors.
            var rowsOfBlock = Math.Clamp(anchors / (2 * multiprocessors), 8, 64);
            var threads = Threads(Math.Min(SmallBlock, width));
            var shape = new LaunchShape(Blocks(anchors, rowsOfBlock), Blocks(columns, threads), threads);
            sumClasses.Launch(shape, matrix, batch.Labels, counts, sums, anchors, columns, matrix.RowStride, rowsOfBlock);
        }

        var partialSums = layout.PartialSums(workspace);
        forward.Launch(
            new LaunchShape(layout.ForwardBlocks, layout.ForwardSplits, forwardThreads, forwardShared),
            features,
            (long)features.Address,
            layout.PaddedRows,
            partialSums,
            anchors,
            matrix.Rows,
            Scale(batch));
        finalise.Launch(
            new LaunchShape(Blocks((long)layout.PaddedRows * LanesOfAnchor, Threads(SmallBlock)), Threads(SmallBlock)),
            matrix,
            batch.Labels,
            batch.ClassWeights,
            counts,
            sums,
            partialSums,
            layout.Slopes(state),
            layout.PartialLosses(workspace),
            ticket.Vector,
            loss,
            columns,
            matrix.RowStride,
            layout.ForwardSplits,
            1 / batch.Temperature);
    }

    /// <summary>Computes the gradient of the loss with respect to the rows.</summary>
    /// <param name="batch">What the forward pass was given.</param>
    /// <param name="state">What the forward pass left.</param>
    /// <param name="workspace"><see cref="WorkspaceLength"/> elements.</param>
    /// <param name="upstream">(1): g, the gradient with respect to the loss.</param>
    /// <param name="gradients">(M + K, width): g dL/dX.</param>
    /// <exception cref="ArgumentException">Shapes disagree, memory is too small or not aligned, or the temperature is too low.</exception>
    public void Backward(
        in TensorCoreContrastiveBatch batch,
        DeviceVector<uint> state,
        DeviceVector<uint> workspace,
        DeviceVector<float> upstream,
        DeviceMatrix<float> gradients)
    {
        var layout = Check(batch, state, workspace);
        Require(upstream.Length == 1, $"upstream has {upstream.Length} elements; it must have 1.");
        Require(
            gradients.Rows == batch.Rows.Rows && gradients.Columns == columns,
            $"gradients is {gradients} but rows is {batch.Rows}; both must have the same shape.");
        var (matrix, features) = (batch.Rows, layout.Features(state));
        var partialGradients = layout.PartialGradients(workspace);
        backward.Launch(
            new LaunchShape(layout.BackwardBlocks, layout.BackwardSplits, backwardThreads, backwardShared),
            features,
            (long)features.Address,
            layout.PaddedRows,
            layout.Slopes(state),
            partialGradients,
            (int)batch.Labels.Length,
            matrix.Rows,
            Scale(batch));
        combine.Launch(
            new LaunchShape(Blocks((long)matrix.Rows * columns, Threads(LargeBlock)), Threads(LargeBlock)),
            matrix,
            batch.Labels,
            batch.ClassWeights,
            layout.ClassCounts(state),
            layout.ClassSums(state),
            partialGradients,
            upstream,
            gradients,
            matrix.Rows,
            columns,
            matrix.RowStride,
            gradients.RowStride,
            layout.PaddedRows,
            width,
            layout.BackwardSplits,
            1 / batch.Temperature);
    }

    /// <inheritdoc/>
    public void Dispose() => ticket.Dispose();

    /// <summary>How a batch is divided among blocks.</summary>
    internal TensorCoreContrastiveLayout Layout(int anchors, int rows, int classes) => new(
        anchors, rows, columns, classes, width, parts, forwardSlots, backwardSlots, forwardThreads / 2, backwardThreads / 2);

    private static float Scale(in TensorCoreContrastiveBatch batch) => (float)(1 / Math.Log(2) / batch.Temperature);

    private static int Blocks(long length, int threads) => (int)Math.Max(1, (length + threads - 1) / threads);

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new ArgumentException(message);
        }
    }

    private int Threads(int onDevice) => device.IsSimulator ? WarpSize : onDevice;

    private TensorCoreContrastiveLayout Check(in TensorCoreContrastiveBatch batch, DeviceVector<uint> state, DeviceVector<uint> workspace)
    {
        var (rows, anchors) = (batch.Rows, batch.Labels.Length);
        Require(rows.Columns == columns, $"rows is {rows} but the kernels were compiled for rows of {columns}.");
        Require(anchors <= rows.Rows, $"There are {anchors} labels but rows is {rows}; each label belongs to one of the first rows.");
        Require((long)batch.Classes * columns <= uint.MaxValue, $"There are {batch.Classes} classes; sums of {columns} numbers each must be fewer than 2^32.");
        Require(batch.Classes >= (anchors > 0 ? 1 : 0), $"There are {batch.Classes} classes for {anchors} labels; there must be at least 1.");
        Require(
            batch.ClassWeights.Length == 0 || batch.ClassWeights.Length == batch.Classes,
            $"There are {batch.ClassWeights.Length} class weights for {batch.Classes} classes; there must be one each, or none.");
        Require(
            batch.Temperature >= LowestTemperature && float.IsFinite(batch.Temperature),
            $"The temperature is {batch.Temperature}; these kernels need at least {LowestTemperature}.");
        var layout = Layout((int)anchors, rows.Rows, batch.Classes);
        Require(state.Length >= layout.StateLength, $"state has {state.Length} elements; this batch needs {layout.StateLength}.");
        Require(workspace.Length >= layout.WorkspaceLength, $"workspace has {workspace.Length} elements; this batch needs {layout.WorkspaceLength}.");
        Require(
            state.Address % TensorCore.CopyBytes == 0 && workspace.Address % TensorCore.CopyBytes == 0,
            "state and workspace must start at a multiple of 16 bytes.");
        return layout;
    }

    private (Kernel Forward, Kernel Backward, int ForwardShared, int BackwardShared) Load<T>()
        where T : struct, ITensorCoreTile => (
            device.Load(TensorCoreContrastiveLossKernels.Forward<T>),
            device.Load(TensorCoreContrastiveLossKernels.Backward<T>),
            SharedBytes<T>(forwardThreads),
            SharedBytes<T>(backwardThreads));

    private int SharedBytes<T>(int threads)
        where T : struct, ITensorCoreTile =>
        ContrastiveProducts<T>.TileBytes(threads / 2) + (default(T).Stages * ContrastiveProducts<T>.TileBytes(default(T).Columns))
        + (device.IsSimulator ? TensorCore.SimulatorBytes(threads) : 0);
}

/// <summary>How <see cref="TensorCoreContrastiveLoss"/> multiplies rows. Sums are in float32 always.</summary>
public enum ContrastivePrecision
{
    /// <summary>
    /// Each number is the sum of two bfloat16, sixteen bits of significand, and three products are summed: nearly as exact as float32 arithmetic, at a third of
    /// the speed of <see cref="BFloat16"/>.
    /// </summary>
    BFloat16x3,

    /// <summary>Each number is rounded to bfloat16, eight bits of significand, as automatic mixed precision does.</summary>
    BFloat16,
}
