using System.Text.Json;
using Pascl.Training.Loss;

namespace Pascl.Training;

/// <summary>What a run measured so far; stored in every checkpoint.</summary>
/// <param name="Epochs">Finished epochs of all phases in order.</param>
/// <param name="Unfinished">The epoch that was interrupted, or null at an epoch's end.</param>
public sealed record RunHistory(IReadOnlyList<EpochRecord> Epochs, UnfinishedEpoch? Unfinished)
{
    /// <summary>The history as JSON; numbers keep every bit.</summary>
    internal string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    internal static RunHistory FromJson(string json) => JsonSerializer.Deserialize<RunHistory>(json) ?? new RunHistory([], null);
}
