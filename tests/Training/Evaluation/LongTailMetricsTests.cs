using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class LongTailMetricsTests
{
    private static readonly ShotGroups Groups = ShotGroups.From([500, 50, 5], ShotRule.Count);

    [Test]
    public void accuracy_is_a_share_of_images_overall_per_group_and_per_class()
    {
        var metrics = LongTailMetrics.Compute([0, 0, 0, 0, 1, 2, 2], [0, 0, 0, 1, 1, 0, 2], Groups);
        Assert.Multiple(() =>
        {
            Assert.That(metrics.Accuracy, Is.EqualTo(new ShotShares(5 / 7.0, 0.75, 1, 0.5)));
            Assert.That(metrics.PerClassAccuracy, Is.EqualTo((double[])[0.75, 1, 0.5]));
        });
    }

    [Test]
    public void a_shot_group_s_accuracy_is_the_mean_of_its_classes_with_images()
    {
        // Classes 0 (three of four right), 1 (one of one) and 3 (no image) are all medium.
        var metrics = LongTailMetrics.Compute([0, 0, 0, 0, 1, 2], [0, 0, 0, 1, 1, 0], ShotGroups.From([50, 60, 5, 70], ShotRule.Count));
        Assert.That(metrics.Accuracy.Medium, Is.EqualTo((0.75 + 1) / 2));
    }

    [Test]
    public void macro_f1_counts_a_class_that_is_only_predicted_as_zero_and_leaves_out_one_that_occurs_nowhere()
    {
        // Class 0: TP 1, FN 1, F1 = 2/3. Class 1: one false positive, F1 = 0. Class 2 occurs nowhere.
        var metrics = LongTailMetrics.Compute([0, 0], [0, 1], Groups);
        Assert.That(metrics.MacroF1, Is.EqualTo(1 / 3.0).Within(1e-15));
    }

    [Test]
    public void macro_f1_is_the_mean_of_precision_and_recall_s_harmonic_means() =>
        Gen.Select(Gen.Int[0, 2].Array[50], Gen.Int[0, 2].Array[50]).Sample((labels, predictions) =>
        {
            var scores = labels.Union(predictions).Select(c =>
            {
                var correct = labels.Zip(predictions).Count(pair => pair.First == c && pair.Second == c);
                var (recall, precision) = (correct / (double)labels.Count(l => l == c), correct / (double)predictions.Count(p => p == c));
                return correct == 0 ? 0 : 2 * precision * recall / (precision + recall);
            });
            Assert.That(LongTailMetrics.Compute(labels, predictions, Groups).MacroF1, Is.EqualTo(scores.Average()).Within(1e-14));
        });

    [Test]
    public void a_class_or_group_without_images_has_no_accuracy()
    {
        var metrics = LongTailMetrics.Compute([0, 1], [0, 0], Groups);
        Assert.Multiple(() =>
        {
            Assert.That(metrics.Accuracy.Few, Is.NaN);
            Assert.That(metrics.PerClassAccuracy[2], Is.NaN);
            Assert.That(metrics.Accuracy.Overall, Is.EqualTo(0.5));
        });
    }

    [Test]
    public void without_images_nothing_is_defined()
    {
        var metrics = LongTailMetrics.Compute([], [], Groups);
        Assert.Multiple(() =>
        {
            Assert.That(metrics.Accuracy.Overall, Is.NaN);
            Assert.That(metrics.MacroF1, Is.NaN);
        });
    }

    [Test]
    public void one_prediction_per_label_is_required() =>
        Assert.That(
            () => LongTailMetrics.Compute([0, 1], [0], Groups),
            Throws.ArgumentException.With.Message.Contains("2 labels but 1 predictions"));
}
