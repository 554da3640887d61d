namespace Pascl.Training.Evaluation;

/// <summary>
/// The shot group of every class. A group can be empty, for example when all classes have the same number of training images: all are then
/// medium.
/// </summary>
public sealed class ShotGroups
{
    private readonly ShotGroup[] groups;

    private ShotGroups(ShotRule rule, ShotGroup[] groups) => (Rule, this.groups) = (rule, groups);

    /// <summary>The rule that made the groups.</summary>
    public ShotRule Rule { get; }

    /// <summary>Number of classes.</summary>
    public int ClassCount => groups.Length;

    /// <summary>The group of a class.</summary>
    public ShotGroup this[int label] => groups[label];

    /// <summary>Groups classes by their numbers of training images, given in label order.</summary>
    /// <exception cref="ArgumentException">There is no class.</exception>
    public static ShotGroups From(IReadOnlyList<int> trainingCounts, ShotRule rule)
    {
        if (trainingCounts.Count == 0)
        {
            throw new ArgumentException("There are no training counts; shot groups need at least one class.");
        }

        int[] sorted = [.. trainingCounts.OrderDescending()];
        var (many, few) = rule == ShotRule.Rank
            ? (sorted[(int)(0.34 * sorted.Length)], sorted[(int)(0.67 * sorted.Length)])
            : (100, 20);
        var groups = trainingCounts.Select(count => count > many ? ShotGroup.Many : count < few ? ShotGroup.Few : ShotGroup.Medium);
        return new(rule, [.. groups]);
    }

    /// <summary>The rule in use for that many classes: by rank up to 100 classes, by count above.</summary>
    public static ShotRule UsualRule(int classCount) => classCount <= 100 ? ShotRule.Rank : ShotRule.Count;
}
