using TorchSharp;

namespace Pascl.Training.Optimisation;

/// <summary>
/// An exponential moving average of weights, e &lt;- D e + (1 - D) w after each step, which is used in their place once they are trained (Polyak and Juditsky 1992; the
/// formula is that of <c>get_ema_multi_avg_fn</c> of PyTorch's <c>swa_utils</c>). It begins with the weights before the first step, as timm's <c>ModelEma</c> does.
/// </summary>
/// <remarks>
/// What is averaged is given: the parameters that are trained, and the running means and variances of BatchNorm, as PyTorch does with <c>use_buffers</c>. Everything else of a
/// network is not touched: counts of batches and what a method keeps are those of the last step.
/// </remarks>
public sealed class WeightAverage : IDisposable
{
    private readonly Scalar step;
    private readonly (string Name, torch.Tensor Weights, torch.Tensor Other)[] pairs;

    /// <summary>Begins with the weights as they are.</summary>
    /// <param name="decay">D, above 0 and below 1.</param>
    /// <param name="averaged">The tensors of the network that are averaged, by name; they stay where they are.</param>
    public WeightAverage(double decay, IEnumerable<(string Name, torch.Tensor Weights)> averaged)
    {
        using var frozen = torch.no_grad();
        step = 1 - decay;
        pairs = [.. averaged.Select(entry => (entry.Name, entry.Weights, entry.Weights.clone().DetachFromDisposeScope()))];
    }

    /// <summary>What is not in the network now, by name: the average while it trains, and the trained weights inside of <see cref="InPlaceOfWeights"/>.</summary>
    public IReadOnlyDictionary<string, torch.Tensor> Outside => pairs.ToDictionary(pair => pair.Name, pair => pair.Other);

    /// <summary>Lets the average follow the weights that a step has made: e += (1 - D) (w - e), by which what does not move stays to the last bit.</summary>
    public void Follow()
    {
        using var frozen = torch.no_grad();
        foreach (var (_, weights, average) in pairs)
        {
            using var difference = weights.sub(average);
            average.add_(difference, step);
        }
    }

    /// <summary>The average is in the network, in the place of its weights, until what is returned is disposed.</summary>
    public IDisposable InPlaceOfWeights()
    {
        Exchange();
        return new Return(this);
    }

    /// <summary>The network has the average from now on.</summary>
    public void Keep()
    {
        using var frozen = torch.no_grad();
        foreach (var (_, weights, average) in pairs)
        {
            weights.copy_(average);
        }
    }

    /// <summary>Takes over weights that were written into <see cref="Outside"/> by a run that saved them inside of <see cref="InPlaceOfWeights"/>.</summary>
    internal void Exchange()
    {
        using var frozen = torch.no_grad();
        foreach (var (_, weights, other) in pairs)
        {
            using var held = weights.clone();
            weights.copy_(other);
            other.copy_(held);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(pairs, pair => pair.Other.Dispose());

    private sealed class Return(WeightAverage average) : IDisposable
    {
        public void Dispose() => average.Exchange();
    }
}
