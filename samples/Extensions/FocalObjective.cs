using Pascl.Training.Data;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using static TorchSharp.torch;

namespace Extensions;

/// <summary>
/// An objective: the mean of -(1 - p_y)^focus log p_y, with p_y the probability of an image's own class (Lin et al., ICCV 2017, without class weights).
/// </summary>
public sealed class FocalObjective(double focus) : Objective
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution"];

    /// <inheritdoc/>
    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var logOfOwn = nn.functional.log_softmax(output.Logits, 1).gather(1, batch.Labels.unsqueeze(1)).squeeze(1); // (B)
        var loss = (1 - logOfOwn.exp()).pow(focus).mul(logOfOwn).mean().neg();
        return new LossTerms(loss, loss);
    }
}
