using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training;

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
