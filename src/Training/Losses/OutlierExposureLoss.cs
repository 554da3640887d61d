using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Losses;

/// <summary>
/// Outlier exposure (Hendrycks et al., ICLR 2019): the cross entropy of an outlier's prediction to the uniform distribution,
/// mean over rows of ( logsumexp(z) - mean(z) ).
/// </summary>
public sealed class OutlierExposureLoss() : Module<Tensor, Tensor>(nameof(OutlierExposureLoss))
{
    /// <summary>Computes the loss of a batch, a scalar.</summary>
    /// <param name="input">(K, C): the logits of K outliers, at least one.</param>
    public override Tensor forward(Tensor input)
    {
        if (input.dim() != 2 || input.shape[0] == 0)
        {
            throw new ArgumentException($"The logits are ({string.Join(", ", input.shape)}); they must be (outliers, classes) with at least one outlier.", nameof(input));
        }

        using var scope = NewDisposeScope();
        return (input.logsumexp(1) - input.mean([1])).mean().MoveToOuterDisposeScope();
    }
}
