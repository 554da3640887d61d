using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A number by which runs are compared.</summary>
/// <param name="Key">Its name in files.</param>
/// <param name="Title">Its name in tables.</param>
/// <param name="HigherIsBetter">Whether a higher number is better.</param>
/// <param name="OfDetection">Reads it from the detection of a set, where it is of that kind.</param>
/// <param name="OfClassification">Reads it from the classification of the test images, where it is of that kind.</param>
public sealed record ComparedMetric(
    string Key,
    string Title,
    bool HigherIsBetter,
    Func<OodResult, double>? OfDetection = null,
    Func<LongTailMetrics, double>? OfClassification = null)
{
    /// <summary>Area under the ROC curve.</summary>
    public static ComparedMetric Auroc { get; } = new("auroc", "AUROC", true, result => result.Metrics.Auroc);

    /// <summary>Average precision, out-of-distribution positive.</summary>
    public static ComparedMetric Aupr { get; } = new("aupr", "AUPR", true, result => result.Metrics.AuprOut);

    /// <summary>False-positive rate at the recall nearest to 0.95, out-of-distribution positive.</summary>
    public static ComparedMetric Fpr95 { get; } = new("fpr95", "FPR95", false, result => result.Metrics.Fpr95);

    /// <summary>AUROC against the test images of the tail classes only.</summary>
    public static ComparedMetric TailAuroc { get; } = new("tail_auroc", "AUROC tail", true, result => result.Groups.Tail.Auroc);

    /// <summary>Accuracy on the test images.</summary>
    public static ComparedMetric Accuracy { get; } =
        new("accuracy", "ACC", true, OfClassification: classification => classification.Accuracy.Overall);

    /// <summary>Mean accuracy of the few-shot classes.</summary>
    public static ComparedMetric FewShotAccuracy { get; } =
        new("few_shot_accuracy", "ACC few", true, OfClassification: classification => classification.Accuracy.Few);

    /// <summary>All of them, in the order of tables.</summary>
    public static IReadOnlyList<ComparedMetric> All { get; } = [Auroc, Aupr, Fpr95, TailAuroc, Accuracy, FewShotAccuracy];
}
