using System.Text.Json;

namespace Pascl.Training;

/// <summary>What one epoch came to; the history of a run is a list of these.</summary>
/// <param name="Phase">Name of the phase.</param>
/// <param name="Epoch">Epoch within the phase, from 1.</param>
/// <param name="Losses">Means over the epoch's steps by name: the minimised loss first, then its parts.</param>
/// <param name="LearningRate">Learning rate of the epoch's last step.</param>
/// <param name="ValidationAccuracy">Mean over classes of the accuracy on the held-out images, or null where none were held out.</param>
public sealed record EpochRecord(string Phase, int Epoch, IReadOnlyDictionary<string, double> Losses, double LearningRate, double? ValidationAccuracy);

/// <summary>What a run measured so far; stored in every checkpoint.</summary>
/// <param name="Epochs">Finished epochs of all phases in order.</param>
/// <param name="Unfinished">The epoch that was interrupted, or null at an epoch's end.</param>
public sealed record RunHistory(IReadOnlyList<EpochRecord> Epochs, UnfinishedEpoch? Unfinished)
{
    /// <summary>The history as JSON; numbers keep every bit.</summary>
    internal string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it comes from, for the message.</param>
    /// <exception cref="InputException">It is something else.</exception>
    internal static RunHistory FromJson(string json, string source)
    {
        try
        {
            var history = JsonSerializer.Deserialize<RunHistory>(json);
            return history?.Epochs is not null && history.Epochs.All(epoch => epoch is { Phase: not null, Losses: not null })
                ? history
                : throw new JsonException("it holds no list of epochs");
        }
        catch (JsonException exception)
        {
            var reason = exception.Message.Split(" Path:")[0].TrimEnd('.');
            throw new InputException($"{source} is damaged: its history of epochs cannot be read ({reason}).", exception);
        }
    }
}

/// <summary>How far a run has come, all from 0.</summary>
/// <param name="Phase">The phase of the next step.</param>
/// <param name="Epoch">Its epoch within the phase.</param>
/// <param name="Step">Its number within the epoch.</param>
public readonly record struct RunPosition(int Phase, int Epoch, int Step)
{
    /// <summary>The first step of the next epoch of the same phase.</summary>
    public RunPosition NextEpoch => new(Phase, Epoch + 1, 0);

    /// <summary>The first step of the first epoch of the next phase.</summary>
    public RunPosition NextPhase => new(Phase + 1, 0, 0);

    /// <summary>Whether no step of the phase was taken yet.</summary>
    public bool IsPhaseStart => Epoch == 0 && Step == 0;
}
