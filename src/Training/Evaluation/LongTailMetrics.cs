namespace Pascl.Training.Evaluation;

/// <summary>How well a long-tailed classifier classifies; everything is a fraction.</summary>
/// <param name="Accuracy">Share of images classified correctly: of all images, and the mean over the classes of each shot group.</param>
/// <param name="MacroF1">
/// Unweighted mean of 2 TP / (2 TP + FP + FN) over the classes that occur as a label or a prediction, as scikit-learn's
/// <c>f1_score(average="macro")</c>: a class that is never right counts 0, a class that occurs nowhere does not count.
/// </param>
/// <param name="PerClassAccuracy">Share classified correctly per class; not a number for a class without images.</param>
public sealed record LongTailMetrics(ShotShares Accuracy, double MacroF1, double[] PerClassAccuracy)
{
    /// <summary>Compares one prediction per image with its label. Without images every number is <see cref="double.NaN"/>.</summary>
    /// <exception cref="ArgumentException">The numbers of labels and predictions differ.</exception>
    public static LongTailMetrics Compute(ReadOnlySpan<int> labels, ReadOnlySpan<int> predictions, ShotGroups groups)
    {
        if (labels.Length != predictions.Length)
        {
            throw new ArgumentException(
                $"There are {labels.Length} labels but {predictions.Length} predictions; there must be one per image.");
        }

        var correct = new ClassTally(groups.ClassCount);
        var truePositives = new int[groups.ClassCount];
        var occurrences = new int[groups.ClassCount];
        for (var i = 0; i < labels.Length; i++)
        {
            var hit = labels[i] == predictions[i];
            correct.Add(labels[i], hit);
            truePositives[labels[i]] += hit ? 1 : 0;
            occurrences[labels[i]]++;
            occurrences[predictions[i]]++;
        }

        // 2 TP + FP + FN = occurrences as a label + occurrences as a prediction.
        var scores = truePositives.Zip(occurrences).Where(c => c.Second > 0).Select(c => 2.0 * c.First / c.Second).ToList();
        return new(correct.Shares(groups), OodMetrics.Mean(scores, score => score), correct.PerClass());
    }
}

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

/// <summary>Classes by their number of training images.</summary>
public enum ShotGroup
{
    /// <summary>The head of the distribution.</summary>
    Many,

    /// <summary>Between head and tail.</summary>
    Medium,

    /// <summary>The tail of the distribution.</summary>
    Few,
}

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

/// <summary>Where the lines between many, medium and few training images are drawn.</summary>
public enum ShotRule
{
    /// <summary>
    /// With the C training counts sorted descending: many = more images than the class at position floor(0.34 C), few = fewer than the one
    /// at floor(0.67 C), both from 0. The rule for CIFAR-LT (github.com/amazon-science/long-tailed-ood-detection,
    /// <c>utils/ltr_metrics.py</c>).
    /// </summary>
    Rank,

    /// <summary>Many = more than 100 training images, few = fewer than 20. The rule for ImageNet-LT.</summary>
    Count,
}

/// <summary>
/// A share of images, for example the share classified correctly. <see cref="double.NaN"/> where there is nothing to take a share of.
/// </summary>
/// <param name="Overall">The share of all images.</param>
/// <param name="Many">
/// The mean of the shares of the many-shot classes, every class with images counting alike and the others left out, as in
/// github.com/amazon-science/long-tailed-ood-detection, <c>utils/ltr_metrics.py</c>.
/// </param>
/// <param name="Medium">The same for the medium-shot classes.</param>
/// <param name="Few">The same for the few-shot classes.</param>
public sealed record ShotShares(double Overall, double Many, double Medium, double Few)
{
    /// <summary>Each share's mean; not a number where one of them is not, or where there are none.</summary>
    public static ShotShares Mean(IReadOnlyList<ShotShares> all) => new(
        OodMetrics.Mean(all, s => s.Overall),
        OodMetrics.Mean(all, s => s.Many),
        OodMetrics.Mean(all, s => s.Medium),
        OodMetrics.Mean(all, s => s.Few));
}
