using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Intake;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Intake;

/// <summary>Whether arrays of several sets are of one model, and what can be computed from them.</summary>
public sealed class ModelOutputsTests
{
    private static readonly LinearClassifier classifier = new([1, 0, 0, 2, 1, 1], [0, 0.5f, -1]);

    [Test]
    public void logits_are_made_of_features_by_the_classifier()
    {
        var outputs = Of(Set("train", 2, 0, 0, 1, 2), Set("test", 2, 0, 1), [Set("far", 2, 0, -1)], classifier);
        var features = outputs.Test.Features[0];
        float[] expected = [features[0], (2 * features[1]) + 0.5f, features[0] + features[1] - 1];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(outputs.Test.Predictions.Main[0].ToArray(), Is.EqualTo(expected).Within(1e-6));
            Assert.That(outputs.Has, Is.EqualTo(ScoreNeeds.Logits | ScoreNeeds.Features | ScoreNeeds.TrainingLogits | ScoreNeeds.TrainingFeatures | ScoreNeeds.Classifier));
            Assert.That(outputs.Test.Images.ClassNames, Is.EqualTo((string[])["class 0", "class 1", "class 2"]));
        }
    }

    [Test]
    public void what_is_there_decides_what_can_be_computed()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Of(Set("train", 2, 0, 0, 1), Set("test", 2, 0, 1), []).Has, Is.EqualTo(ScoreNeeds.Features | ScoreNeeds.TrainingFeatures));
            Assert.That(Of(Set("train", 0, 2, 0, 1), Set("test", 0, 2, 1), []).Has, Is.EqualTo(ScoreNeeds.Logits | ScoreNeeds.TrainingLogits));
            Assert.That(Of(Set("train", 0, 0, 0, 1), Set("test", 2, 2, 1), []).Has, Is.EqualTo(ScoreNeeds.Features | ScoreNeeds.Logits), "of the training images only the labels");
        }
    }

    [Test]
    public void what_one_set_lacks_is_left_out_and_said()
    {
        var outputs = Of(Set("train", 2, 2, 0, 1), Set("test", 2, 2, 1), [Set("svhn", 0, 2, -1)]);
        Assert.That(outputs.Has, Is.EqualTo(ScoreNeeds.Logits | ScoreNeeds.TrainingLogits));
        Assert.That(outputs.Remarks.Single(), Does.Contain("features are left out").And.Contain("svhn.npz has none"));
        Assert.That(
            () => Of(Set("train", 2, 2, 0, 1), Set("test", 2, 0, 1), [Set("svhn", 0, 2, -1)]),
            Throws.TypeOf<InputException>().With.Message.Contains("neither features nor logits in common"));
    }

    [Test]
    public void labels_of_an_out_of_distribution_set_count_only_beside_negative_ones()
    {
        var outputs = Of(Set("train", 2, 2, 0, 1), Set("test", 2, 2, 1), [Set("digits", 2, 2, 9, 3), Set("scood", 2, 2, -1, 1)]);
        Assert.That(outputs.Sets[0].Images.Labels.ToArray(), Is.EqualTo(new[] { -1, -1 }));
        Assert.That(outputs.Sets[1].Images.Labels.ToArray(), Is.EqualTo(new[] { -1, 1 }));
        Assert.That(outputs.Remarks.Single(), Does.Contain("labels of digits are not used"));
    }

    [Test]
    public void a_classifier_of_another_layer_is_said_to_make_other_logits()
    {
        var outputs = Of(Set("train", 2, 3, 0, 1, 2), Set("test", 2, 3, 0, 1), [], classifier);
        Assert.That(outputs.Remarks.Single(), Does.Contain("does not make the logits of test.npz"));
    }

    [Test]
    public void sets_that_do_not_fit_together_are_refused()
    {
        var (train, test) = (Set("train", 2, 3, 0, 1, 2), Set("test", 2, 3, 0));
        Expect(() => Of(train, Set("test", 4, 3, 0), []), "train.npz has 2 features", "test.npz has 4");
        Expect(() => Of(train, test, [Set("far", 2, 5, -1)]), "3 logits", "far.npz has 5");
        Expect(() => Of(train, test with { Labels = null }, []), "test.npz has no labels", "label_list");
        Expect(() => Of(train with { Labels = null }, test, []), "train.npz has no labels");
        Expect(() => Of(Set("train", 2, 3, 0, 1), test, []), "no row of class 2", "3 classes");
        Expect(() => Of(Set("train", 2, 3, 0, 1, 2, 3), test, []), "Row 3 of train.npz has the label 3");
        Expect(() => Of(Set("train", 2, 3, 0, 1, 2, -1), test, []), "Row 3 of train.npz has a negative label");
        Expect(() => Of(train, Set("test", 2, 3, 0, 7), []), "Row 1 of test.npz has the label 7");
        Expect(() => Of(train, test, [], new LinearClassifier(new float[9], new float[3])), "take 3 features, but images have 2");
        Expect(() => Of(train, test, [], new LinearClassifier(new float[8], new float[4])), "give 4 logits, but images have 3");
        Expect(() => ModelOutputs.Of(train, test, [(Set("sketch", 2, 3, 0) with { Labels = null }, SetGroup.Shift)], null, null, null), "covariate-shifted", "has no labels");
        Expect(() => ModelOutputs.Of(train, test, [], null, null, ["cat", "dog"]), "2 names of classes, but 3 classes");

        static void Expect(Action action, params string[] expected)
        {
            var message = Assert.Throws<InputException>(action).Message;
            Assert.That(expected, Has.All.Matches<string>(part => message.Contains(part, StringComparison.Ordinal)), message);
        }
    }

    private static ModelOutputs Of(ArraySet training, ArraySet test, ArraySet[] sets, LinearClassifier? weights = null) =>
        ModelOutputs.Of(training, test, [.. sets.Select(set => (set, (SetGroup?)null))], null, weights is null ? null : (weights, []), null);

    // Any numbers; no columns stand for no array.
    private static ArraySet Set(string name, int features, int logits, params int[] labels) =>
        new(name, $"{name}.npz", Rows(labels.Length, features, 1), Rows(labels.Length, logits, 2), labels, null, []);

    private static ArrayRows? Rows(int count, int width, int seed)
    {
        var random = new Random(seed);
        return width == 0 ? null : new ArrayRows([.. Enumerable.Range(0, count * width).Select(_ => (float)random.NextDouble())], count, width);
    }
}
