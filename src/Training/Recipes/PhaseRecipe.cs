using Pascl.Training.Optimisation;

namespace Pascl.Training.Recipes;

/// <summary>How long and with which optimiser a phase trains.</summary>
public sealed record PhaseRecipe
{
    /// <summary>Passes; an epoch is min(images / batch, outliers / outlier batch) steps, the last partial batch dropped.</summary>
    public required int Epochs { get; init; }

    /// <summary>In-distribution images per step, N.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The optimiser and its learning rate at the start.</summary>
    public required OptimiserSettings Optimiser { get; init; }

    /// <summary>How the learning rate goes on from there.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>The learning rate of the step that follows <paramref name="finishedSteps"/> steps of the phase.</summary>
    public double LearningRate(long finishedSteps, int stepsPerEpoch) =>
        Optimiser.LearningRate * Schedule.Multiplier(finishedSteps, stepsPerEpoch, Epochs);
}
