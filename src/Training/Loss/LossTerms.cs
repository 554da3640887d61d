using TorchSharp;

namespace Pascl.Training.Loss;

/// <summary>The loss of one step and what it is made of; scalars on the model's device, terms that the method does not have are null.</summary>
/// <param name="Total">What is minimised.</param>
/// <param name="InDistribution">L_in, cross entropy of the in-distribution rows.</param>
/// <param name="Outliers">L_out, outlier exposure, before its weight.</param>
/// <param name="Contrastive">L_con, the partial asymmetric contrastive loss, before its weight.</param>
public sealed record LossTerms(torch.Tensor Total, torch.Tensor InDistribution, torch.Tensor? Outliers = null, torch.Tensor? Contrastive = null)
{
    /// <summary>Names of the terms in logs: the minimised loss, then its parts.</summary>
    public static IReadOnlyList<string> Names { get; } = ["total", "in-distribution", "outliers", "contrastive"];
}
