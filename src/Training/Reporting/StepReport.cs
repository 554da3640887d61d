namespace Pascl.Training.Reporting;

/// <summary>What is known of a run after a training step: one line of the log, one update of the display.</summary>
/// <param name="Phase">Name of the training phase.</param>
/// <param name="Epoch">The current epoch, from 1.</param>
/// <param name="Epochs">Epochs of the phase.</param>
/// <param name="Step">Finished steps of the epoch, from 1.</param>
/// <param name="Steps">Steps of an epoch.</param>
/// <param name="Losses">Losses by name, means since the report before; the first is the one that is minimised, the others are its
/// parts.</param>
/// <param name="LearningRate">The learning rate of the step.</param>
/// <param name="ImagesPerSecond">Images that went through the network per second, since the report before.</param>
/// <param name="Seconds">Training time of the phase so far, earlier sessions of a resumed run included.</param>
/// <param name="ResidentBytes">Memory of the process.</param>
public sealed record StepReport(
    string Phase,
    int Epoch,
    int Epochs,
    int Step,
    int Steps,
    IReadOnlyDictionary<string, double> Losses,
    double LearningRate,
    double ImagesPerSecond,
    double Seconds,
    long ResidentBytes)
{
    /// <summary>Share of the time since the report before that was spent waiting for batches, from 0 to 1; logs of older versions have none.</summary>
    public double DataWaitShare { get; init; }

    /// <summary>When the report was made.</summary>
    public DateTimeOffset Time { get; init; } = DateTimeOffset.UtcNow;

    /// <summary>Finished steps of the phase.</summary>
    public long TotalStep => ((Epoch - 1L) * Steps) + Step;

    /// <summary>Steps of the phase.</summary>
    public long TotalSteps => (long)Epochs * Steps;
}
