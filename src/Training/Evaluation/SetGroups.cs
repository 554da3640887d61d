using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>The mean over the out-of-distribution sets of a group, every set counting alike.</summary>
/// <param name="Group">The group.</param>
/// <param name="Sets">Names of its sets.</param>
/// <param name="Result">The numbers.</param>
public sealed record OodGroupReport(SetGroup Group, IReadOnlyList<string> Sets, OodResult Result);

/// <summary>The classification of a set that shows the classes under a covariate shift.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="Images">Number of images.</param>
/// <param name="Classification">How well they are classified.</param>
public sealed record ShiftedSetReport(string Name, int Images, LongTailMetrics Classification);

/// <summary>How well one score detects each of several sets, on average over groups and over all.</summary>
/// <param name="Sets">Detection of each set.</param>
/// <param name="Groups">The mean over the sets of each group that has any.</param>
/// <param name="Average">The mean over all sets, every set counting alike; null where there are none.</param>
public sealed record DetectionBySet(IReadOnlyList<SetDetection> Sets, IReadOnlyList<GroupDetection> Groups, OodMetrics? Average)
{
    /// <summary>Measures detection.</summary>
    /// <param name="inDistribution">Scores of the in-distribution images.</param>
    /// <param name="sets">The out-of-distribution sets and their scores; an image with a class counts as in-distribution in its set.</param>
    internal static DetectionBySet Of(double[] inDistribution, IReadOnlyList<(LabelledSet Images, double[] Scores)> sets)
    {
        SetDetection[] measured = [.. sets.Select(set => Detect(inDistribution, set.Images, set.Scores))];
        return new(
            measured,
            SetGroups.Means(measured, set => set.Group, (group, members) => new GroupDetection(
                group, [.. members.Select(set => set.Name)], OodMetrics.Mean([.. members.Select(set => set.Metrics)]))),
            measured.Length == 0 ? null : OodMetrics.Mean([.. measured.Select(set => set.Metrics)]));
    }

    private static SetDetection Detect(double[] inDistribution, LabelledSet images, double[] scores)
    {
        var (outScores, furtherScores) = ScoredImages.Part(images, scores);
        return new(
            images.Name,
            outScores.Length,
            inDistribution.Length + furtherScores.Length,
            OodMetrics.Compute(outScores, (double[])[.. inDistribution, .. furtherScores]))
        {
            Group = images.Group,
        };
    }
}

/// <summary>How well a score detects one out-of-distribution set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="OutOfDistributionImages">Images of the set that show none of the classes.</param>
/// <param name="InDistributionImages">In-distribution images, with those of the set that show one of the classes.</param>
/// <param name="Metrics">The numbers.</param>
public sealed record SetDetection(string Name, int OutOfDistributionImages, int InDistributionImages, OodMetrics Metrics)
{
    /// <summary>The group of the set; null where nobody says.</summary>
    public SetGroup? Group { get; init; }
}

/// <summary>How well a score detects the sets of a group, on average.</summary>
/// <param name="Group">The group.</param>
/// <param name="Sets">Names of its sets.</param>
/// <param name="Metrics">The mean over the sets, every set counting alike.</param>
public sealed record GroupDetection(SetGroup Group, IReadOnlyList<string> Sets, OodMetrics Metrics);

/// <summary>Means over the sets of a group.</summary>
internal static class SetGroups
{
    /// <summary>One for each group that has sets, in the order of <see cref="SetGroup"/>.</summary>
    public static IReadOnlyList<TMean> Means<TSet, TMean>(IReadOnlyList<TSet> sets, Func<TSet, SetGroup?> groupOf, Func<SetGroup, TSet[], TMean> mean) =>
    [
        .. sets.Where(set => groupOf(set) is not null).GroupBy(set => groupOf(set)!.Value).OrderBy(members => members.Key)
            .Select(members => mean(members.Key, [.. members])),
    ];
}
