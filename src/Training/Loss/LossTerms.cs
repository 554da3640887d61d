using TorchSharp;

namespace Pascl.Training.Loss;

/// <summary>The loss of one step and what it is made of; scalars on the model's device.</summary>
/// <param name="Total">What is minimised.</param>
/// <param name="InDistribution">L_in, cross entropy of the in-distribution rows.</param>
/// <param name="Outliers">The term of the outliers' outputs before its weight, such as outlier exposure; null where the objective has none.</param>
/// <param name="Further">The objective's further terms, such as the contrastive loss before its weight; null where it has none.</param>
public sealed record LossTerms(torch.Tensor Total, torch.Tensor InDistribution, torch.Tensor? Outliers = null, IReadOnlyList<torch.Tensor>? Further = null)
{
    /// <summary>All terms in the order of <see cref="Objective.TermNames"/>.</summary>
    internal List<torch.Tensor> InOrder()
    {
        var terms = new List<torch.Tensor>(4) { Total, InDistribution };
        if (Outliers is not null)
        {
            terms.Add(Outliers);
        }

        if (Further is not null)
        {
            terms.AddRange(Further);
        }

        return terms;
    }
}
