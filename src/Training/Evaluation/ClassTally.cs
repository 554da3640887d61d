namespace Pascl.Training.Evaluation;

/// <summary>How many images of each class were counted, and how many of those fulfil a condition.</summary>
internal sealed class ClassTally(int classCount)
{
    private readonly int[] hits = new int[classCount];
    private readonly int[] totals = new int[classCount];

    public void Add(int label, bool hit)
    {
        totals[label]++;
        hits[label] += hit ? 1 : 0;
    }

    /// <summary>The share per class; not a number for a class without images.</summary>
    public double[] PerClass() => [.. hits.Zip(totals, (hit, total) => hit / (double)total)];

    public ShotShares Shares(ShotGroups groups) => new(
        hits.Sum() / (double)totals.Sum(),
        MeanOverClasses(groups, ShotGroup.Many),
        MeanOverClasses(groups, ShotGroup.Medium),
        MeanOverClasses(groups, ShotGroup.Few));

    private double MeanOverClasses(ShotGroups groups, ShotGroup group) =>
        OodMetrics.Mean([.. PerClass().Where((_, c) => groups[c] == group && totals[c] > 0)], share => share);
}
