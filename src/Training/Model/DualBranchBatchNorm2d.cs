using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Model;

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

    private readonly BatchNorm2d auxiliary;
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly Tensor running_mean;
    private readonly Tensor running_var;
    private readonly Tensor num_batches_tracked;

    /// <summary>Creates both branches with weight 1, bias 0, mean 0 and variance 1.</summary>
    /// <param name="channels">Channels of the input.</param>
    public DualBranchBatchNorm2d(long channels)
        : base(nameof(DualBranchBatchNorm2d))
    {
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
    public override Tensor forward(Tensor input, Branch branch)
    {
        var (weight, bias, mean, variance, count) = State(branch);
        var usesBatchStatistics = training && weight.requires_grad;
        if (usesBatchStatistics)
        {
            count.add_(1);
        }

        return functional.batch_norm(input, mean, variance, weight, bias, usesBatchStatistics, Momentum, Epsilon);
    }

    /// <summary>Overwrites the auxiliary branch with the main branch's parameters and statistics.</summary>
    public void CopyMainToAuxiliary()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (weight, bias, mean, variance, count) = State(Branch.Auxiliary);
        weight.copy_(this.weight);
        bias.copy_(this.bias);
        mean.copy_(running_mean);
        variance.copy_(running_var);
        count.copy_(num_batches_tracked);
    }

    private (Parameter Weight, Parameter Bias, Tensor Mean, Tensor Variance, Tensor Count) State(Branch branch) => branch == Branch.Main
        ? (weight, bias, running_mean, running_var, num_batches_tracked)
        : (auxiliary.weight!, auxiliary.bias!, auxiliary.running_mean!, auxiliary.running_var!, auxiliary.num_batches_tracked!);
}
