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
