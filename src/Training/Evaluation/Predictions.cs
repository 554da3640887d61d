using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>What the model says about a set of images: the logits of both branches, one row per image in the set's order.</summary>
public sealed record Predictions(Logits Main, Logits Auxiliary)
{
    /// <summary>The logits of one branch.</summary>
    public Logits this[Branch branch] => branch == Branch.Main ? Main : Auxiliary;
}
