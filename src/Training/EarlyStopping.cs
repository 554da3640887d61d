namespace Pascl.Training;

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
