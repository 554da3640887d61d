using Pascl.Training.Data;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

/// <summary>
/// L = L_in + w ( mean_ID relu(E - m_in)^2 + hinge of the outliers ), by torch's operations on every device. The outliers' hinge is mean relu(m_out - E)^2 for
/// EnergyOE and <see cref="BalancedOutlierHinge"/> for BERL; w rises to its value over the first steps.
/// </summary>
internal sealed class EnergyObjective : Objective
{
    private readonly EnergyRecipe settings;
    private readonly double warmUpEpochs;
    private readonly BalancedOutlierHinge? balanced;

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">Weight and margins.</param>
    /// <param name="epochs">Epochs of the phase.</param>
    /// <param name="balanced">The outliers' hinge of BERL, disposed with the objective; null for that of EnergyOE.</param>
    public EnergyObjective(EnergyRecipe settings, int epochs, BalancedOutlierHinge? balanced = null)
    {
        (this.settings, this.balanced) = (settings, balanced);
        warmUpEpochs = settings.WarmUp * epochs;
    }

    public override IReadOnlyList<string> TermNames { get; } =
        ["total", "in-distribution", "outlier-hinge", "in-distribution-hinge", "in-distribution-active", "outlier-active"];

    /// <summary>w in the step of a batch.</summary>
    public double Weight(BatchPosition position) =>
        warmUpEpochs > 0 ? settings.Weight * Math.Min(1, position.EpochsAfter / warmUpEpochs) : settings.Weight;

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        var inDistribution = output.Logits.narrow(0, 0, labels.shape[0]);
        var outliers = output.Logits.narrow(0, labels.shape[0], batch.OutlierCount);
        var crossEntropy = functional.cross_entropy(inDistribution, labels);
        var (inside, insideActive) = EnergyHinge.InDistribution(inDistribution, settings.InDistributionMargin);
        var (outside, outsideActive) = balanced?.Terms(outliers) ?? EnergyHinge.Outliers(outliers, settings.OutlierMargin);
        return new LossTerms(
            crossEntropy + (Weight(batch.Position) * (inside + outside)), crossEntropy, outside, [inside, insideActive, outsideActive]);
    }

    public override void Dispose()
    {
        balanced?.Dispose();
        base.Dispose();
    }
}
