namespace Pascl.Training;

/// <summary>What one epoch came to; the history of a run is a list of these.</summary>
/// <param name="Phase">Name of the phase.</param>
/// <param name="Epoch">Epoch within the phase, from 1.</param>
/// <param name="Losses">Means over the epoch's steps by name: the minimised loss first, then its parts.</param>
/// <param name="LearningRate">Learning rate of the epoch's last step.</param>
/// <param name="ValidationAccuracy">Mean over classes of the accuracy on the held-out images, or null where none were held out.</param>
public sealed record EpochRecord(string Phase, int Epoch, IReadOnlyDictionary<string, double> Losses, double LearningRate, double? ValidationAccuracy);
