namespace Pascl.Training.Reporting;

/// <summary>The parts of a step in words, the same in tables, traces and Nsight.</summary>
internal static class StepPartNames
{
    /// <summary>The name of a part.</summary>
    public static string Name(this StepPart part) => part switch
    {
        StepPart.Data => "waiting for data",
        StepPart.Move => "moving the batch",
        StepPart.Forward => "forward",
        StepPart.LossOfLogits => "losses of the logits",
        StepPart.ContrastiveLoss => "contrastive loss",
        StepPart.Backward => "backward",
        StepPart.Optimiser => "optimiser",
        StepPart.Rest => "rest of the step",
        StepPart.Report => "reading the losses",
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "unknown part"),
    };
}
