using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// BatchNorm of a batch of in-distribution images and outliers, for two branches: statistics of both sets in one read, normalisation with what follows it, and
/// the gradients. Per channel
/// <code>
/// y = activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual)
/// running = (1 - momentum) running + momentum batch        the variance unbiased; the main branch's from all images, the auxiliary branch's from the ID ones
/// </code>
/// </summary>
/// <remarks>
/// <see cref="DualBatchNormReference"/> is the specification. Statistics and parameters are <see cref="float"/>, and so is all arithmetic. One launch for the
/// statistics, one to normalise, two backward; the same input gives the same bits. Where processes have parts of a batch, <see cref="Moments"/> takes the place of the
/// first, and what they exchange lies between the launches. 16 bytes are read at once where addresses and rows allow it, else single
/// elements.
/// Calls enqueue and return; calls on the same device must follow one another on one stream.
/// </remarks>
/// <typeparam name="T">Elements of the batch: <see cref="float"/>, <see cref="ILGPU.Half"/> or <see cref="BFloat16"/>.</typeparam>
public sealed class DualBatchNorm<T>
    where T : unmanaged
{
    private const int PacketBytes = 16;
    private const int MaximumTiles = KernelDevice.MaximumTickets;
    private const int FloatsPerPartial = 3;

    // Elementwise kernels end together when each multiprocessor has had several blocks.
    private const int ElementwiseBlocks = 12;

    private readonly DualBatchNormDeviceCode packets;
    private readonly DualBatchNormDeviceCode scalars;
    private readonly DeviceVector<int> tickets;
    private readonly int threads;
    private readonly int multiprocessors;

    // As many blocks of the statistics and of the backward reduction as run at once; those that wait would only lengthen the end.
    private readonly int statisticsBlocks;
    private readonly int reductionBlocks;

    /// <summary>Compiles the kernels.</summary>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is another type.</exception>
    public DualBatchNorm(KernelDevice device)
        : this(device, device.IsSimulator ? 32 : DualBatchNormKernels.Threads, device.Multiprocessors)
    {
    }

    internal DualBatchNorm(KernelDevice device, int threads, int multiprocessors)
    {
        (packets, scalars) = DualBatchNormDeviceCode.Load<T>(device);
        tickets = device.Tickets(MaximumTiles);
        (this.threads, this.multiprocessors) = (threads, multiprocessors);
        statisticsBlocks = multiprocessors * Math.Min(packets.Statistics.BlocksAtOnce(threads), scalars.Statistics.BlocksAtOnce(threads));
        reductionBlocks = multiprocessors * Math.Min(packets.Reduce.BlocksAtOnce(threads), scalars.Reduce.BlocksAtOnce(threads));
    }

    private static unsafe int Width => PacketBytes / sizeof(T);

    /// <summary>Floats that <see cref="Statistics"/> and <see cref="Backward"/> overwrite while they run.</summary>
    public long WorkspaceLength(BatchShape shape)
    {
        var largest = 2;
        foreach (var width in (int[])[1, Width])
        {
            if (width == 1 || DualBatchNormPlan.Fits(shape, width))
            {
                largest = Math.Max(largest, DualBatchNormPlan.Of(shape, width, threads).Splits(Math.Max(statisticsBlocks, reductionBlocks)));
            }
        }

        return (long)FloatsPerPartial * shape.Channels * largest;
    }

    /// <summary>Computes the moments of both sets in one read, and moves the running statistics.</summary>
    /// <param name="shape">The batch; a channel must have two values, because one has no variance.</param>
    /// <param name="input">The batch's elements.</param>
    /// <param name="inDistributionImages">How many images, from the first, are in-distribution; the others are outliers.</param>
    /// <param name="state">Written: what normalising and the gradients need.</param>
    /// <param name="moments">Written: (2, C), of the in-distribution images and of the outliers.</param>
    /// <param name="workspace">At least <see cref="WorkspaceLength"/> floats; overwritten.</param>
    /// <param name="momentum">Weight of this batch in the running statistics.</param>
    /// <param name="main">Running statistics of all images, or none.</param>
    /// <param name="auxiliary">Running statistics of the in-distribution images, or none; unchanged by a batch without such images.</param>
    public void Statistics(
        BatchShape shape,
        DeviceVector<T> input,
        int inDistributionImages,
        DualBatchNormState state,
        DeviceVector<BatchMoments> moments,
        DeviceVector<float> workspace,
        float momentum = 0.1f,
        ChannelStatistics main = default,
        ChannelStatistics auxiliary = default)
    {
        DualBatchNormChecks.Batch(shape, ("input", input.Length));
        DualBatchNormChecks.Variance(shape, inDistributionImages, auxiliary.Mean.Length > 0);
        DualBatchNormChecks.Channels(
            shape, optional: true, ("main mean", main.Mean), ("main variance", main.Variance),
            ("auxiliary mean", auxiliary.Mean), ("auxiliary variance", auxiliary.Variance));
        Measure(shape, input, inDistributionImages, state, moments, workspace, momentum, main, auxiliary);
    }

    /// <summary>Computes the moments of a part of a batch whose other parts other processes have, for these to be merged; a channel may have a single value.</summary>
    /// <param name="shape">The part; not empty.</param>
    /// <param name="input">Its elements.</param>
    /// <param name="state">Written: mean and variance of the part, in the place of which the caller may put those of the batch.</param>
    /// <param name="moments">Written: (2, C), the first row of which has the part's.</param>
    /// <param name="workspace">At least <see cref="WorkspaceLength"/> floats; overwritten.</param>
    public void Moments(
        BatchShape shape, DeviceVector<T> input, DualBatchNormState state, DeviceVector<BatchMoments> moments, DeviceVector<float> workspace)
    {
        DualBatchNormChecks.Batch(shape, ("input", input.Length));
        DualBatchNormChecks.NotEmpty(shape, "moments");
        Measure(shape, input, shape.Images, state, moments, workspace, momentum: 0, main: default, auxiliary: default);
    }

    /// <summary>Normalises a batch.</summary>
    /// <param name="shape">The batch.</param>
    /// <param name="input">The batch's elements.</param>
    /// <param name="statistics">Of the batch, in training; running ones, in evaluation.</param>
    /// <param name="parameters">Weight and bias.</param>
    /// <param name="output">Written.</param>
    /// <param name="activation">What follows.</param>
    /// <param name="residual">What is added, where the activation adds.</param>
    /// <param name="epsilon">Summand of the variance.</param>
    public void Normalize(
        BatchShape shape,
        DeviceVector<T> input,
        ChannelStatistics statistics,
        ChannelParameters parameters,
        DeviceVector<T> output,
        BatchNormActivation activation = BatchNormActivation.None,
        DeviceVector<T> residual = default,
        float epsilon = 1e-5f)
    {
        DualBatchNormChecks.Batch(shape, ("input", input.Length), ("output", output.Length));
        DualBatchNormChecks.Channels(
            shape, optional: false, ("mean", statistics.Mean), ("variance", statistics.Variance), ("weight", parameters.Weight), ("bias", parameters.Bias));
        DualBatchNormChecks.Length("residual", residual.Length, activation == BatchNormActivation.AddAndRectify ? shape.Length : 0, shape);
        if (shape.Length == 0)
        {
            return;
        }

        var (code, plan) = Choose(shape, input, output, residual);
        code.Normalize.Launch(
            plan.Shape(plan.Splits(multiprocessors * ElementwiseBlocks)), code.View(input), code.View(residual), code.View(output),
            statistics.Mean, statistics.Variance, parameters.Weight, parameters.Bias,
            plan.Columns, plan.TileColumns, plan.Pixels, plan.ChannelsPerColumn, plan.Items, epsilon, activation == BatchNormActivation.None ? 0 : 1);
    }

    /// <summary>Computes the gradients, with g = gradient where the activation let the value through and 0 elsewhere.</summary>
    /// <remarks>
    /// Without a residual the kernels find out what the activation let through from the input, which they read anyway. With one, the residual would have to
    /// be kept for that; the output need not be, because the layer that follows keeps it for its own gradient. So the first launch reads the output, and
    /// writes g, which is the residual's gradient; the second reads g.
    /// </remarks>
    /// <param name="shape">The batch.</param>
    /// <param name="input">What <see cref="Normalize"/> was given.</param>
    /// <param name="gradient">Gradient of the output.</param>
    /// <param name="statistics">What <see cref="Normalize"/> was given.</param>
    /// <param name="parameters">What <see cref="Normalize"/> was given.</param>
    /// <param name="parameterGradients">Written.</param>
    /// <param name="inputGradient">Written; none where nobody needs it.</param>
    /// <param name="workspace">At least <see cref="WorkspaceLength"/> floats; overwritten.</param>
    /// <param name="activation">What <see cref="Normalize"/> was given.</param>
    /// <param name="output">What <see cref="Normalize"/> wrote, where the activation adds a residual.</param>
    /// <param name="residualGradient">Written, where the activation adds a residual.</param>
    /// <param name="statisticsAreConstant">Whether the statistics are running ones, which do not depend on the input.</param>
    /// <param name="epsilon">What <see cref="Normalize"/> was given.</param>
    /// <param name="ofAllParts">
    /// Where this is a part of a batch: called between the launches, it gives the sums over all parts of what is in <paramref name="parameterGradients"/> then, and how many
    /// values a channel has in all of them. None where this is the whole batch.
    /// </param>
    public void Backward(
        BatchShape shape,
        DeviceVector<T> input,
        DeviceVector<T> gradient,
        ChannelStatistics statistics,
        ChannelParameters parameters,
        ChannelParameters parameterGradients,
        DeviceVector<T> inputGradient,
        DeviceVector<float> workspace,
        BatchNormActivation activation = BatchNormActivation.None,
        DeviceVector<T> output = default,
        DeviceVector<T> residualGradient = default,
        bool statisticsAreConstant = false,
        float epsilon = 1e-5f,
        Func<(ChannelParameters Sums, long Values)>? ofAllParts = null)
    {
        var adds = activation == BatchNormActivation.AddAndRectify;
        DualBatchNormChecks.Batch(shape, ("input", input.Length), ("gradient", gradient.Length));
        DualBatchNormChecks.NotEmpty(shape, "gradients");
        DualBatchNormChecks.Length("input gradient", inputGradient.Length, inputGradient.Length == 0 ? 0 : shape.Length, shape);
        DualBatchNormChecks.Length("output", output.Length, adds ? shape.Length : 0, shape);
        DualBatchNormChecks.Length("residual gradient", residualGradient.Length, adds ? shape.Length : 0, shape);
        DualBatchNormChecks.Channels(
            shape, optional: false, ("mean", statistics.Mean), ("variance", statistics.Variance), ("weight", parameters.Weight), ("bias", parameters.Bias),
            ("weight gradient", parameterGradients.Weight), ("bias gradient", parameterGradients.Bias));
        DualBatchNormChecks.Workspace(workspace, WorkspaceLength(shape), shape);
        var (code, plan) = Choose(shape, input, gradient, inputGradient, output, residualGradient);
        var partials = new DeviceVector<LaneSums<One>>(workspace.Address, workspace.Length / 2);
        code.Reduce.Launch(
            plan.Shape(plan.Splits(reductionBlocks)), code.View(input), code.View(gradient), code.View(output), code.View(residualGradient),
            statistics.Mean, statistics.Variance, parameters.Weight, parameters.Bias, partials,
            parameterGradients.Weight, parameterGradients.Bias, tickets,
            plan.Columns, plan.TileColumns, plan.Pixels, plan.ChannelsPerColumn, plan.Items, epsilon, activation == BatchNormActivation.Rectify ? 1 : 0);
        var (sums, values) = ofAllParts?.Invoke() ?? (parameterGradients, shape.ValuesPerChannel);
        DualBatchNormChecks.Channels(shape, optional: false, ("weight sums", sums.Weight), ("bias sums", sums.Bias));
        if (inputGradient.Length > 0)
        {
            code.InputGradient.Launch(
                plan.Shape(plan.Splits(multiprocessors * ElementwiseBlocks)), code.View(input),
                code.View(adds ? residualGradient : gradient), code.View(inputGradient),
                statistics.Mean, statistics.Variance, parameters.Weight, parameters.Bias, sums.Weight, sums.Bias,
                plan.Columns, plan.TileColumns, plan.Pixels, plan.ChannelsPerColumn, plan.Items, epsilon, activation == BatchNormActivation.Rectify ? 1 : 0,
                statisticsAreConstant ? 0f : 1f / values);
        }
    }

    private void Measure(
        BatchShape shape,
        DeviceVector<T> input,
        int inDistributionImages,
        DualBatchNormState state,
        DeviceVector<BatchMoments> moments,
        DeviceVector<float> workspace,
        float momentum,
        ChannelStatistics main,
        ChannelStatistics auxiliary)
    {
        DualBatchNormChecks.Length("state", state.Values.Length, DualBatchNormState.Length(shape.Channels), shape);
        DualBatchNormChecks.Length("moments", moments.Length, 2L * shape.Channels, shape);
        DualBatchNormChecks.Workspace(workspace, WorkspaceLength(shape), shape);
        var (code, plan) = Choose(shape, input);
        var firstItems = (int)((long)plan.Items * inDistributionImages / shape.Images);
        var isMixed = inDistributionImages > 0 && inDistributionImages < shape.Images;
        var splits = Math.Max(isMixed ? 2 : 1, plan.Splits(statisticsBlocks));
        var firstSplits = isMixed ? Math.Clamp((int)Math.Round((double)splits * firstItems / plan.Items), 1, splits - 1)
            : inDistributionImages > 0 ? splits : 0;
        var partials = new DeviceVector<BatchMoments>(workspace.Address, workspace.Length / FloatsPerPartial);
        code.Statistics.Launch(
            plan.Shape(splits), code.View(input), partials, moments, state.Values, main.Mean, main.Variance, auxiliary.Mean, auxiliary.Variance, tickets,
            plan.Columns, plan.TileColumns, plan.Pixels, plan.ChannelsPerColumn, firstItems, plan.Items, firstSplits, momentum);
    }

    // Vectors that are not there have address 0, which is aligned.
    private (DualBatchNormDeviceCode Code, DualBatchNormPlan Plan) Choose(BatchShape shape, params ReadOnlySpan<DeviceVector<T>> vectors)
    {
        var aligned = DualBatchNormPlan.Fits(shape, Width);
        foreach (var vector in vectors)
        {
            aligned &= vector.Address % PacketBytes == 0;
        }

        var code = aligned ? packets : scalars;
        var plan = DualBatchNormPlan.Of(shape, code.Width, threads);
        if ((long)plan.Columns * plan.Items > uint.MaxValue)
        {
            throw new ArgumentException($"The batch {shape} has too many elements; there may be {uint.MaxValue} that are read at once.");
        }

        return plan.Tiles <= MaximumTiles
            ? (code, plan)
            : throw new ArgumentException($"The batch {shape} has too many channels; there may be {MaximumTiles}.");
    }
}

/// <summary>A batch of images as BatchNorm sees it.</summary>
/// <param name="Images">Number of images.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Pixels">Height times width.</param>
/// <param name="ChannelsLast">Whether the channels of a pixel lie next to each other (NHWC), or the pixels of a channel (NCHW).</param>
public readonly record struct BatchShape(int Images, int Channels, int Pixels, bool ChannelsLast = false)
{
    /// <summary>Number of elements.</summary>
    public long Length => (long)Images * Channels * Pixels;

    /// <summary>Values that a channel has.</summary>
    public long ValuesPerChannel => (long)Images * Pixels;

    /// <summary>Where an element lies.</summary>
    public long Index(int image, int channel, int pixel) => ChannelsLast
        ? ((((long)image * Pixels) + pixel) * Channels) + channel
        : ((((long)image * Channels) + channel) * Pixels) + pixel;

    /// <inheritdoc/>
    public override string ToString() => ChannelsLast ? $"({Images}, {Pixels}, {Channels}) with channels last" : $"({Images}, {Channels}, {Pixels})";
}

/// <summary>A weight and a bias per channel, or their gradients.</summary>
/// <param name="Weight">(C): factor of the normalised value.</param>
/// <param name="Bias">(C): summand.</param>
public readonly record struct ChannelParameters(DeviceVector<float> Weight, DeviceVector<float> Bias);

/// <summary>A mean and a variance per channel: of a batch, or running ones. The default value stands for none.</summary>
/// <param name="Mean">(C).</param>
/// <param name="Variance">(C): biased for a batch, unbiased for running statistics.</param>
public readonly record struct ChannelStatistics(DeviceVector<float> Mean, DeviceVector<float> Variance);

/// <summary>What follows the normalisation in the same pass.</summary>
public enum BatchNormActivation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>max(0, y).</summary>
    Rectify,

    /// <summary>max(0, y + residual): the end of a residual block.</summary>
    AddAndRectify,
}

/// <summary>What the statistics of a batch of C channels leave for normalising it and for the gradients, in memory of the caller.</summary>
/// <param name="Values">(4, C): mean and variance of all images, mean and variance of the in-distribution images.</param>
public readonly record struct DualBatchNormState(DeviceVector<float> Values)
{
    /// <summary>Of all images: what the main branch is normalised with.</summary>
    public ChannelStatistics All => new(Row(0), Row(1));

    /// <summary>Of the in-distribution images; 0 where there is none.</summary>
    public ChannelStatistics InDistribution => new(Row(2), Row(3));

    /// <summary>Number of floats.</summary>
    public static int Length(int channels) => 4 * channels;

    private DeviceVector<float> Row(int row) => Values.Slice(Values.Length / 4 * row, Values.Length / 4);
}
