using System.Text.Json;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using TorchSharp;

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

/// <summary>
/// Model selection on training images that were held out: the weights of a phase's best epoch by the mean over classes of the accuracy. Without held-out images
/// the last epoch stands; the test set never takes part.
/// </summary>
internal sealed class BestEpoch(ImageSet? heldOut, RunFolder folder)
{
    /// <summary>The mean over classes of the branch's accuracy on the held-out images, or null where there are none.</summary>
    public double? Accuracy(DualBranchNetwork model, Branch branch)
    {
        if (heldOut is null)
        {
            return null;
        }

        var classes = Predictions.Of(model, heldOut)[branch].Classes();
        var groups = ShotGroups.From(heldOut.CountPerClass(), ShotRule.Rank);
        return LongTailMetrics.Compute(heldOut.Labels, classes, groups).PerClassAccuracy.Where(double.IsFinite).Average();
    }

    /// <summary>Keeps the model's weights if the last epoch of the history is the best of its phase so far.</summary>
    public void Keep(IReadOnlyList<EpochRecord> history, CheckpointInfo info, DualBranchNetwork model)
    {
        var last = history[^1];
        var earlier = history.SkipLast(1).Where(epoch => epoch.Phase == last.Phase);
        if (folder.IsWritten && last.ValidationAccuracy is { } accuracy && earlier.All(epoch => epoch.ValidationAccuracy < accuracy))
        {
            Checkpoint.Save(folder.Best(last.Phase), info, model);
        }
    }

    /// <summary>Gives the model the weights of the phase's best epoch.</summary>
    public void Restore(string phase, DualBranchNetwork model)
    {
        if (heldOut is null)
        {
            return;
        }

        if (folder.IsWritten && File.Exists(folder.Best(phase)))
        {
            using var best = Checkpoint.Open(folder.Best(phase));
            best.LoadInto(model);
        }

        using var scope = torch.NewDisposeScope();
        foreach (var (_, tensor) in model.state_dict())
        {
            ProcessGroup.Current.Broadcast(tensor);
        }
    }
}

/// <summary>Ends a phase before its last epoch where the accuracy on held-out images has stopped rising; the best epoch's weights are those that are kept.</summary>
internal static class EarlyStopping
{
    /// <summary>Whether a phase is over.</summary>
    /// <param name="history">The finished epochs of all phases.</param>
    /// <param name="phase">Name of the phase.</param>
    /// <param name="patience">Epochs without a better one after which it ends; null for never.</param>
    public static bool IsOver(IEnumerable<EpochRecord> history, string phase, int? patience)
    {
        EpochRecord[] epochs = [.. history.Where(epoch => epoch.Phase == phase && epoch.ValidationAccuracy is not null)];
        return patience is { } longest && epochs.Length > 0 && epochs[^1].Epoch - epochs.MaxBy(epoch => epoch.ValidationAccuracy)!.Epoch >= longest;
    }
}
