using Pascl.Training.Data;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Training.Loss;

/// <summary>
/// L = sum over heads of ( CE(ID rows) + w1 CE(CutMix rows, tail labels) + w2 CE(outliers, virtual labels) ), by torch's operations on every device. A batch
/// without a tail image has no CutMix rows, and their term is 0.
/// </summary>
internal sealed class EatObjective(EatRecipe settings, AbstentionHeads heads, TailCutMix mixing) : Objective
{
    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "outliers", "mixed"];

    internal override Batch Input(Batch batch) => mixing.Append(batch);

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (2N)
        var (classified, outlierCount) = (labels.shape[0], batch.OutlierCount);
        var inDistribution = heads.Labelled(output.Logits.narrow(0, 0, classified), labels);
        var outliers = heads.Virtual(output.Logits.narrow(0, classified, outlierCount));
        var mixed = batch.MixedLabels is { } mixedLabels
            ? heads.Labelled(output.Logits.narrow(0, classified + outlierCount, mixedLabels.shape[0]), mixedLabels)
            : output.Logits.sum() * 0;
        return new LossTerms(
            inDistribution + (settings.MixedWeight * mixed) + (settings.OutlierWeight * outliers), inDistribution, outliers, [mixed]);
    }
}
