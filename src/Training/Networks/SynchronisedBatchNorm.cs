using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Networks;

/// <summary>
/// BatchNorm of a batch that ranks share, with the statistics of all of it. Every rank sends the number of its values, their mean and their sum of squared
/// deviations of each channel, and merges those of all ranks in their order (Chan, Golub, LeVeque 1983), in double:
/// <code>
/// n = a + b;   mean = mean_a + (mean_b - mean_a) b / n;   M2 = M2_a + M2_b + (mean_b - mean_a)^2 a b / n
/// </code>
/// Backward, the sums of dy and of dy (x - mean) are of all ranks where they act on the input, and of the rank's own rows in the gradients of weight and bias, which
/// are summed with the other gradients. By torch's operations; <see cref="DualBatchNormFunction"/> is the same by kernels.
/// </summary>
internal sealed class SynchronisedBatchNormFunction : KernelFunction<SynchronisedBatchNormFunction>
{
    private const string Operation = "operation";
    private const string Count = "count";

    /// <summary>Normalises this rank's rows, and moves the running statistics as one batch would; channels last stay so.</summary>
    /// <param name="operation">Ranks, running statistics and constants.</param>
    /// <param name="input">(B, C, H, W), at least one image.</param>
    /// <param name="weight">(C).</param>
    /// <param name="bias">(C).</param>
    public static Tensor Normalize(SynchronisedBatchNorm operation, Tensor input, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();

        // The gradients that the backward pass is given are contiguous: (B, H, W, C) where channels are last.
        var isChannelsLast = !input.is_contiguous() && input.permute(0, 2, 3, 1).is_contiguous();
        var ordered = (isChannelsLast ? input.permute(0, 2, 3, 1) : input).contiguous();
        var output = Apply(ordered, weight, bias, operation with { ChannelDimension = isChannelsLast ? 3 : 1 })[0];
        return (isChannelsLast ? output.permute(0, 3, 1, 2) : output).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (input, weight, bias, operation) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (SynchronisedBatchNorm)arguments[3]);
        var values = input.to(weight.dtype);
        var own = values.mean(operation.OtherDimensions); // (C)
        var squares = (values - operation.Along(own)).square().sum(operation.OtherDimensions); // (C)
        var (count, mean, variance) = operation.Merge(values.numel() / weight.shape[0], stack([own, squares]));

        // (C): torch takes its reference after this method, in whose scope they were made, but before the end of the scope around it.
        var centre = mean.to(weight.dtype).MoveToOuterDisposeScope();
        var inverse = (variance + operation.Epsilon).rsqrt().to(weight.dtype).MoveToOuterDisposeScope();
        var planes = operation.ChannelDimension == 3 ? input.permute(0, 3, 1, 2) : input;
        var output = functional.batch_norm(planes, centre, variance.to(weight.dtype), weight, bias, training: false, operation.Momentum, operation.Epsilon);
        context.save_for_backward([input, weight, bias, centre, inverse]);
        context.save_data(Operation, operation);
        context.save_data(Count, count);
        return [operation.ChannelDimension == 3 ? output.permute(0, 2, 3, 1).contiguous() : output.contiguous()];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients)
    {
        var (input, weight, bias, mean, inverse) = (saved[0], saved[1], saved[2], saved[3], saved[4]);
        var operation = (SynchronisedBatchNorm)context.get_data(Operation);
        var count = (long)context.get_data(Count);
        var gradient = gradients[0]!.to(weight.dtype);
        var deviation = input.to(weight.dtype) - operation.Along(mean);
        var ofGradient = gradient.sum(operation.OtherDimensions); // (C)
        var ofProduct = (gradient * deviation).sum(operation.OtherDimensions); // (C)

        var means = operation.Sums(ofGradient, ofProduct).div_(count).to(weight.dtype); // (2, C)
        var slope = means[1] * inverse.square();
        var inputGradient = gradient.sub(operation.Along(means[0])).sub_(deviation.mul_(operation.Along(slope)));
        inputGradient.mul_(operation.Along(weight.detach() * inverse));
        return
        [
            inputGradient.to(input.dtype),
            KernelGradients.Accumulate(weight, ofProduct * inverse),
            KernelGradients.Accumulate(bias, ofGradient),
            null,
        ];
    }
}

/// <summary>What a synchronised BatchNorm has beside tensors with a gradient, and what the ranks exchange for it.</summary>
/// <param name="Ranks">Who shares the batch.</param>
/// <param name="RunningMean">(C), moved by the batch's mean.</param>
/// <param name="RunningVariance">(C), moved by its unbiased variance.</param>
/// <param name="Momentum">Weight of the batch in both.</param>
/// <param name="Epsilon">Summand of the variance.</param>
internal sealed record SynchronisedBatchNorm(ProcessGroup Ranks, Tensor RunningMean, Tensor RunningVariance, double Momentum, double Epsilon)
{
    /// <summary>Which dimension the channels are.</summary>
    public int ChannelDimension { get; init; } = 1;

    /// <summary>The dimensions over which a channel's values lie.</summary>
    public long[] OtherDimensions => ChannelDimension == 3 ? [0, 1, 2] : [0, 2, 3];

    /// <summary>Numbers of channels, (C), as they go along with a batch.</summary>
    public Tensor Along(Tensor channels) => ChannelDimension == 3 ? channels : channels.reshape(1, -1, 1, 1);

    /// <summary>
    /// The number of values of a channel over all ranks, and their mean and variance, (C) float64 each on the device of the running statistics, which are moved.
    /// </summary>
    /// <param name="values">How many values of a channel this rank has.</param>
    /// <param name="moments">(2, C): their mean and sum of squared deviations.</param>
    public (long Values, Tensor Mean, Tensor Variance) Merge(long values, Tensor moments)
    {
        var channels = (int)moments.shape[1];
        var partial = cat([full([1], values, float64), moments.cpu().to(float64).flatten()]).unsqueeze(0); // (1, 1 + 2C)
        var partials = Ranks.Gather(partial, [.. Enumerable.Repeat(1, Ranks.Size)], ExchangePart.BatchNorm).data<double>().ToArray(); // (R, 1 + 2C)
        var (count, merged) = (0.0, new double[2 * channels]);
        foreach (var part in partials.Chunk(1 + (2 * channels)))
        {
            var all = count + part[0];
            for (var c = 0; c < channels; c++)
            {
                var shift = part[1 + c] - merged[c];
                merged[c] += shift * part[0] / all;
                merged[channels + c] += part[1 + channels + c] + (shift * shift * count * part[0] / all);
            }

            count = all;
        }

        var result = tensor(merged, float64, RunningMean.device).reshape(2, -1); // (2, C)
        var (mean, squares) = (result[0], result[1]);
        RunningMean.mul_(1 - Momentum).add_(mean.to(RunningMean.dtype), Momentum);
        RunningVariance.mul_(1 - Momentum).add_((squares / Math.Max(1, count - 1)).to(RunningVariance.dtype), Momentum);
        return ((long)count, mean, squares / count);
    }

    /// <summary>Two sums over a channel's values of this rank, over those of all ranks: (2, C), float64.</summary>
    public Tensor Sums(Tensor first, Tensor second)
    {
        var all = stack([first, second]).to(float64); // (2, C)
        Ranks.BackwardReached?.Invoke();
        Ranks.Sum(all, ExchangePart.BatchNorm);
        return all;
    }
}
