namespace Pascl.Training.Reporting;

/// <summary>What a training step is made of.</summary>
internal enum StepPart
{
    /// <summary>Waiting for the batch.</summary>
    Data,

    /// <summary>Moving it to the device.</summary>
    Move,

    /// <summary>The network.</summary>
    Forward,

    /// <summary>Cross entropy and outlier exposure.</summary>
    LossOfLogits,

    /// <summary>The contrastive loss.</summary>
    ContrastiveLoss,

    /// <summary>The gradients.</summary>
    Backward,

    /// <summary>Setting gradients to zero, and updating the parameters.</summary>
    Optimiser,

    /// <summary>Adding up the losses, and freeing the step's tensors.</summary>
    Rest,

    /// <summary>What happens between two steps: every so often the losses are read, which waits for the device.</summary>
    Report,
}
