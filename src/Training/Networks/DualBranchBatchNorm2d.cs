using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Half = ILGPU.Half;

namespace Pascl.Training.Networks;

/// <summary>
/// Two sets of BatchNorm parameters and statistics for one place in a network: y = (x - mean) / sqrt(variance + 1e-5) * weight + bias, per channel.
/// </summary>
/// <remarks>
/// In training mode the batch's mean and variance are used, and the branch's running statistics move towards them by a tenth (the variance unbiased); in
/// evaluation mode the running statistics are used. A branch whose parameters are frozen is always in evaluation mode. The state of the main branch has the
/// names of <c>torch.nn.BatchNorm2d</c>, that of the other the prefix <c>auxiliary</c>.
/// </remarks>
public sealed class DualBranchBatchNorm2d : Module<Tensor, Branch, Tensor>
{
    private const double Momentum = 0.1;
    private const double Epsilon = 1e-5;

    private readonly DualBatchNormKernelSet? kernels;
    private readonly BatchNorm2d auxiliary;
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly Tensor running_mean;
    private readonly Tensor running_var;
    private readonly Tensor num_batches_tracked;
    private long mainBatches;
    private long auxiliaryBatches;

    /// <summary>Creates both branches with weight 1, bias 0, mean 0 and variance 1.</summary>
    /// <param name="channels">Channels of the input.</param>
    /// <param name="device">What its kernels run on, in the memory of the tensors; null for torch's operations.</param>
    public DualBranchBatchNorm2d(long channels, KernelDevice? device = null)
        : base(nameof(DualBranchBatchNorm2d))
    {
        kernels = device is null ? null : new DualBatchNormKernelSet(device);
        auxiliary = BatchNorm2d(channels, Epsilon, Momentum);
        weight = Parameter(ones(channels));
        bias = Parameter(zeros(channels));
        running_mean = zeros(channels);
        running_var = ones(channels);
        num_batches_tracked = tensor(0L);
        RegisterComponents();
        foreach (var state in parameters().Concat(buffers()))
        {
            state.DetachFromDisposeScope();
        }
    }

    /// <summary>Normalises a batch.</summary>
    /// <param name="input">(B, channels, H, W).</param>
    /// <param name="branch">Whose parameters and statistics to use, and in training mode to update.</param>
    public override Tensor forward(Tensor input, Branch branch) => forward(input, branch, BatchNormActivation.None);

    /// <summary>Normalises a batch, adds a residual, rectifies, in one pass where there are kernels.</summary>
    /// <param name="input">(B, channels, H, W).</param>
    /// <param name="branch">Whose parameters and statistics to use, and in training mode to update.</param>
    /// <param name="activation">What follows the normalisation.</param>
    /// <param name="residual">What is added, where the activation adds.</param>
    public Tensor forward(Tensor input, Branch branch, BatchNormActivation activation, Tensor? residual = null)
    {
        var (weight, bias, mean, variance) = State(branch);
        var usesBatchStatistics = training && weight.requires_grad;
        if (usesBatchStatistics)
        {
            mainBatches += branch == Branch.Main ? 1 : 0;
            auxiliaryBatches += branch == Branch.Auxiliary ? 1 : 0;
        }

        var shared = usesBatchStatistics && !ProcessGroup.Current.IsAlone
            ? new SynchronisedBatchNorm(ProcessGroup.Current, mean, variance, Momentum, Epsilon)
            : null;
        if (kernels is not null)
        {
            var operation = new DualBatchNormOperation(kernels, mean, variance, usesBatchStatistics)
            {
                Activation = activation,
                Momentum = (float)Momentum,
                Epsilon = (float)Epsilon,
                Shared = shared,
            };
            return DualBatchNormFunction.Normalize(operation, input, weight, bias, residual);
        }

        if (shared is not null)
        {
            var normalised = SynchronisedBatchNormFunction.Normalize(shared, input, weight, bias);
            return activation switch
            {
                BatchNormActivation.None => normalised,
                BatchNormActivation.Rectify => normalised.relu(),
                _ => (normalised + residual!).relu(),
            };
        }

        // The backward pass of torch's BatchNorm needs its input, not its output, so sums and rectifiers may overwrite the output.
        var output = functional.batch_norm(input, mean, variance, weight, bias, usesBatchStatistics, Momentum, Epsilon);
        return activation switch
        {
            BatchNormActivation.None => output,
            BatchNormActivation.Rectify => output.relu_(),
            _ => output.add_(residual!).relu_(),
        };
    }

    /// <summary>Overwrites the auxiliary branch with the main branch's parameters and statistics.</summary>
    public void CopyMainToAuxiliary()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (weight, bias, mean, variance) = State(Branch.Auxiliary);
        weight.copy_(this.weight);
        bias.copy_(this.bias);
        mean.copy_(running_mean);
        variance.copy_(running_var);
        WriteCounts();
        auxiliary.num_batches_tracked!.copy_(num_batches_tracked);
    }

    /// <inheritdoc/>
    /// <remarks>The host counts the batches, and writes their number when somebody looks: a counter on the device would be a launch in every layer and step.</remarks>
    public override IEnumerable<(string name, Tensor buffer)> named_buffers(bool recurse = true, bool include_nonpersistent = true)
    {
        WriteCounts();
        return base.named_buffers(recurse, include_nonpersistent);
    }

    /// <summary>What evaluation mode does to a channel, y = scale * x + shift, in float64 on the CPU: (channels) each, in the caller's dispose scope.</summary>
    internal (Tensor Scale, Tensor Shift) Affine(Branch branch)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (weight, bias, mean, variance) = State(branch);
        var scale = Double(weight) / (Double(variance) + Epsilon).sqrt();
        var shift = Double(bias) - (Double(mean) * scale);
        return (scale.MoveToOuterDisposeScope(), shift.MoveToOuterDisposeScope());

        static Tensor Double(Tensor values) => values.to(float64).cpu();
    }

    private (Parameter Weight, Parameter Bias, Tensor Mean, Tensor Variance) State(Branch branch) => branch == Branch.Main
        ? (weight, bias, running_mean, running_var)
        : (auxiliary.weight!, auxiliary.bias!, auxiliary.running_mean!, auxiliary.running_var!);

    private void WriteCounts()
    {
        using var frozen = no_grad();
        if (mainBatches > 0)
        {
            num_batches_tracked.add_(mainBatches);
        }

        if (auxiliaryBatches > 0)
        {
            auxiliary.num_batches_tracked!.add_(auxiliaryBatches);
        }

        (mainBatches, auxiliaryBatches) = (0, 0);
    }
}

/// <summary><see cref="DualBatchNorm{T}"/> as a differentiable operation on tensors of float32, float16 or bfloat16, with parameters of float32.</summary>
internal sealed class DualBatchNormFunction : KernelFunction<DualBatchNormFunction>
{
    private const string Operation = "operation";

    /// <summary>Normalises a batch; channels last stay so.</summary>
    /// <param name="operation">What is done, beside tensors that have a gradient.</param>
    /// <param name="input">(B, C, H, W).</param>
    /// <param name="weight">(C), float32.</param>
    /// <param name="bias">(C), float32.</param>
    /// <param name="residual">As the input, where the activation adds it.</param>
    public static Tensor Normalize(DualBatchNormOperation operation, Tensor input, Tensor weight, Tensor bias, Tensor? residual)
    {
        using var scope = NewDisposeScope();
        var isChannelsLast = !input.is_contiguous() && input.permute(0, 2, 3, 1).is_contiguous();

        // The kernels, and the contiguous gradients that the backward pass is given, follow the order in memory: (B, H, W, C) where channels are last.
        var ordered = Ordered(input);
        object added = operation.Activation == BatchNormActivation.AddAndRectify ? Ordered(residual!.to(input.dtype)) : "none";
        var output = Apply(ordered, weight, bias, added, operation with { IsChannelsLast = isChannelsLast })[0];
        return (isChannelsLast ? output.permute(0, 3, 1, 2) : output).MoveToOuterDisposeScope();

        Tensor Ordered(Tensor tensor) => (isChannelsLast ? tensor.permute(0, 2, 3, 1) : tensor).contiguous();
    }

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var operation = (DualBatchNormOperation)arguments[4];
        return [((Tensor)arguments[0]).dtype switch
        {
            ScalarType.Float32 => Forward(operation.Kernels.Singles, context, arguments),
            ScalarType.Float16 => Forward(operation.Kernels.Halves, context, arguments),
            ScalarType.BFloat16 => Forward(operation.Kernels.BrainFloats, context, arguments),
            var other => throw new ArgumentException($"BatchNorm's kernels take tensors of Float32, Float16 and BFloat16, not {other}."),
        }];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
    {
        var operation = (DualBatchNormOperation)context.get_data(Operation);
        return saved[0].dtype switch
        {
            ScalarType.Float32 => Backward(operation.Kernels.Singles, operation, saved, gradients[0]!),
            ScalarType.Float16 => Backward(operation.Kernels.Halves, operation, saved, gradients[0]!),
            _ => Backward(operation.Kernels.BrainFloats, operation, saved, gradients[0]!),
        };
    }

    private static Tensor Forward<T>(DualBatchNorm<T> kernels, autograd.AutogradContext context, object[] arguments)
        where T : unmanaged
    {
        var (input, weight, bias, operation) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (DualBatchNormOperation)arguments[4]);
        var residual = arguments[3] as Tensor;
        var device = operation.Kernels.Device;
        var shape = Shape(input, operation);
        var (mean, variance) = (operation.Mean, operation.Variance);
        if (operation.UsesBatchStatistics)
        {
            var state = empty([4, shape.Channels], ScalarType.Float32, input.device);
            var moments = empty([2, shape.Channels, 3], ScalarType.Float32, input.device);
            var workspace = empty(kernels.WorkspaceLength(shape), ScalarType.Float32, input.device);
            var values = TensorMemory.Elements<T>(input, device);
            var stateMemory = new DualBatchNormState(TensorMemory.Elements<float>(state, device));
            var momentsMemory = new DeviceVector<BatchMoments>(TensorMemory.Elements<float>(moments, device).Address, 2L * shape.Channels);
            var workMemory = TensorMemory.Elements<float>(workspace, device);
            if (operation.Shared is null)
            {
                kernels.Statistics(shape, values, shape.Images, stateMemory, momentsMemory, workMemory, operation.Momentum, Statistics(mean, variance, device));
            }
            else
            {
                // Of count, mean and squared deviations the host knows the first.
                kernels.Moments(shape, values, stateMemory, momentsMemory, workMemory);
                var (ofBatch, batchMean, batchVariance) = operation.Shared.Merge(shape.ValuesPerChannel, moments[0].narrow(1, 1, 2).t());
                state[0].copy_(batchMean);
                state[1].copy_(batchVariance);
                operation = operation with { Values = ofBatch };
            }

            // Torch takes its reference after this method, in whose scope these were made, but before the end of the scope around it.
            (mean, variance) = (state[0].MoveToOuterDisposeScope(), state[1].MoveToOuterDisposeScope());
        }

        var output = empty_like(input);
        kernels.Normalize(
            shape,
            TensorMemory.Elements<T>(input, device),
            Statistics(mean, variance, device),
            new(TensorMemory.Vector<float>(weight, device), TensorMemory.Vector<float>(bias, device)),
            TensorMemory.Elements<T>(output, device),
            operation.Activation,
            residual is null ? default : TensorMemory.Elements<T>(residual, device),
            operation.Epsilon);
        context.save_for_backward([input, weight, bias, mean, variance, .. residual is null ? (Tensor[])[] : [output.detach().MoveToOuterDisposeScope()]]);
        context.save_data(Operation, operation with { NeedsInputGradient = input.requires_grad });
        return output;
    }

    private static Tensor?[] Backward<T>(DualBatchNorm<T> kernels, DualBatchNormOperation operation, IReadOnlyList<Tensor> saved, Tensor gradient)
        where T : unmanaged
    {
        var (input, weight, bias, mean, variance) = (saved[0], saved[1], saved[2], saved[3], saved[4]);
        var device = operation.Kernels.Device;
        var shape = Shape(input, operation);
        var (weightGradient, biasGradient) = (empty_like(weight), empty_like(bias));
        var inputGradient = operation.NeedsInputGradient ? empty_like(input) : null;
        var residualGradient = saved.Count > 5 ? empty_like(input) : null;
        var workspace = empty(kernels.WorkspaceLength(shape), ScalarType.Float32, input.device);
        kernels.Backward(
            shape,
            TensorMemory.Elements<T>(input, device),
            TensorMemory.Elements<T>(gradient, device),
            Statistics(mean, variance, device),
            new(TensorMemory.Vector<float>(weight, device), TensorMemory.Vector<float>(bias, device)),
            new(TensorMemory.Vector<float>(weightGradient, device), TensorMemory.Vector<float>(biasGradient, device)),
            inputGradient is null ? default : TensorMemory.Elements<T>(inputGradient, device),
            TensorMemory.Elements<float>(workspace, device),
            operation.Activation,
            residualGradient is null ? default : TensorMemory.Elements<T>(saved[5], device),
            residualGradient is null ? default : TensorMemory.Elements<T>(residualGradient, device),
            !operation.UsesBatchStatistics,
            operation.Epsilon,
            operation.Shared is null ? null : OfAllRanks);
        return [inputGradient, KernelGradients.Accumulate(weight, weightGradient), KernelGradients.Accumulate(bias, biasGradient), residualGradient, null];

        (ChannelParameters Sums, long Values) OfAllRanks()
        {
            var sums = operation.Shared!.Sums(biasGradient, weightGradient).to(ScalarType.Float32); // (2, C)
            return (new(TensorMemory.Vector<float>(sums[1], device), TensorMemory.Vector<float>(sums[0], device)), operation.Values);
        }
    }

    private static ChannelStatistics Statistics(Tensor mean, Tensor variance, KernelDevice device) =>
        new(TensorMemory.Vector<float>(mean, device), TensorMemory.Vector<float>(variance, device));

    private static BatchShape Shape(Tensor input, DualBatchNormOperation operation)
    {
        var sizes = input.shape;
        return operation.IsChannelsLast
            ? new BatchShape((int)sizes[0], (int)sizes[3], checked((int)(sizes[1] * sizes[2])), ChannelsLast: true)
            : new BatchShape((int)sizes[0], (int)sizes[1], checked((int)(sizes[2] * sizes[3])));
    }
}

/// <summary>What a normalisation is called with beside tensors that have a gradient.</summary>
/// <param name="Kernels">The kernels.</param>
/// <param name="Mean">(C): running mean; moved where the batch's statistics are used, read where they are not.</param>
/// <param name="Variance">(C): running variance, likewise.</param>
/// <param name="UsesBatchStatistics">Whether the batch's statistics are used.</param>
internal sealed record DualBatchNormOperation(DualBatchNormKernelSet Kernels, Tensor Mean, Tensor Variance, bool UsesBatchStatistics)
{
    /// <summary>What follows the normalisation.</summary>
    public BatchNormActivation Activation { get; init; }

    /// <summary>Weight of the batch in the running statistics.</summary>
    public required float Momentum { get; init; }

    /// <summary>Summand of the variance.</summary>
    public required float Epsilon { get; init; }

    /// <summary>With whom the batch is shared, where its statistics are used and ranks share it.</summary>
    public SynchronisedBatchNorm? Shared { get; init; }

    /// <summary>How many values of a channel all ranks have, where they share the batch.</summary>
    public long Values { get; init; }

    /// <summary>Whether the tensors are (B, H, W, C).</summary>
    public bool IsChannelsLast { get; init; }

    /// <summary>Whether somebody needs the input's gradient.</summary>
    public bool NeedsInputGradient { get; init; }
}

/// <summary>BatchNorm's kernels for tensors of each type, compiled when the first such tensor comes.</summary>
internal sealed class DualBatchNormKernelSet(KernelDevice device)
{
    private readonly Lazy<DualBatchNorm<float>> singles = new(() => new DualBatchNorm<float>(device));
    private readonly Lazy<DualBatchNorm<Half>> halves = new(() => new DualBatchNorm<Half>(device));
    private readonly Lazy<DualBatchNorm<BFloat16>> brainFloats = new(() => new DualBatchNorm<BFloat16>(device));

    public KernelDevice Device { get; } = device;

    public DualBatchNorm<float> Singles => singles.Value;

    public DualBatchNorm<Half> Halves => halves.Value;

    public DualBatchNorm<BFloat16> BrainFloats => brainFloats.Value;
}
