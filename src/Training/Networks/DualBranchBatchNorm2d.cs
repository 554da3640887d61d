using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

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

        if (kernels is not null)
        {
            var operation = new DualBatchNormOperation(kernels, mean, variance, usesBatchStatistics)
            {
                Activation = activation,
                Momentum = (float)Momentum,
                Epsilon = (float)Epsilon,
            };
            return DualBatchNormFunction.Normalize(operation, input, weight, bias, residual);
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
