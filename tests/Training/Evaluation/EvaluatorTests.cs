using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using static Pascl.Tests.Training.Evaluation.FourTestImages;

namespace Pascl.Tests.Training.Evaluation;

public sealed class EvaluatorTests
{
    private static readonly ShotGroups TwoClasses = ShotGroups.From([9, 9], ShotRule.Rank);

    [Test]
    public void each_reading_takes_score_and_class_from_its_branches()
    {
        var report = Evaluate();
        Assert.Multiple(() =>
        {
            Assert.That((report.Main.ScoreBranch, report.Main.ClassBranch), Is.EqualTo((Branch.Main, Branch.Main)));
            Assert.That((report.Auxiliary.ScoreBranch, report.Auxiliary.ClassBranch), Is.EqualTo((Branch.Auxiliary, Branch.Auxiliary)));
            Assert.That((report.Deployed.ScoreBranch, report.Deployed.ClassBranch), Is.EqualTo((Branch.Main, Branch.Auxiliary)));
            Assert.That(report.Main.Classification.PerClassAccuracy, Is.EqualTo((double[])[1, 1, 0]));
            Assert.That(report.Auxiliary.Classification.PerClassAccuracy, Is.EqualTo((double[])[1, 0, 1]));
            Assert.That(report.Deployed.Classification.PerClassAccuracy, Is.EqualTo((double[])[1, 0, 1]));
            Assert.That(report.Deployed.Average!.Metrics, Is.EqualTo(report.Main.Average!.Metrics));
            // There all images of the set are surer than the test images and tie with each other: two half pairs of ten.
            Assert.That(report.Auxiliary.Average!.Metrics.Auroc, Is.EqualTo(0.1).Within(1e-15));
        });
    }

    [Test]
    public void an_image_that_shows_a_class_counts_as_in_distribution_in_its_set()
    {
        // In-distribution sureness 9, 8, 4, 2 and 7 from the set itself; out-of-distribution 1 and 3: nine of ten pairs are in order.
        var set = Evaluate().Main.Sets.Single();
        Assert.Multiple(() =>
        {
            Assert.That((set.OutOfDistributionImages, set.InDistributionImages), Is.EqualTo((2, 5)));
            Assert.That(set.Result.Metrics.Auroc, Is.EqualTo(0.9).Within(1e-15));
            Assert.That(Evaluate().Main.Classification.Accuracy.Overall, Is.EqualTo(0.5));
        });
    }

    [Test]
    public void tail_and_head_auroc_take_test_images_of_those_classes_only()
    {
        var result = Evaluate().Main.Sets.Single().Result;
        Assert.Multiple(() =>
        {
            Assert.That(result.Groups.Tail.Auroc, Is.EqualTo(0.75));
            Assert.That(result.Groups.Head.Auroc, Is.EqualTo(1));
        });
    }

    [Test]
    public void an_operating_point_accepts_up_to_its_threshold_and_counts_only_test_images()
    {
        // All out-of-distribution images are caught at sureness 3, and with them the test image of sureness 2; three of four remain, one of
        // them wrong.
        var points = Evaluate().Main.Sets.Single().Result.OperatingPoints;
        var point = points.Single(p => p is { Rate: OperatingRate.TruePositive, Level: 0.98 });
        Assert.Multiple(() =>
        {
            Assert.That(point.TruePositiveRate, Is.EqualTo(1));
            Assert.That(point.FalsePositiveRate, Is.EqualTo(0.2));
            Assert.That(point.TestFalsePositiveRate, Is.EqualTo(new ShotShares(0.25, 0, 0, 0.5)));
            Assert.That(point.Rejection, Is.EqualTo(new ShotShares(0.25, 0, 0, 0.5)));
            Assert.That(point.RejectionPerClass, Is.EqualTo((double[])[0, 0, 0.5]));
            Assert.That(point.Accuracy, Is.EqualTo(new ShotShares(2 / 3.0, 1, 1, 0)));
        });
    }

    [Test]
    public void a_test_image_exactly_at_the_threshold_is_accepted_but_is_a_false_positive()
    {
        double[] scores = [0.1, 0.5];
        var point = OperatingPoint.Compute(RocCurve.From([0.5, 0.9], scores), scores, [0, 1], [0, 1], TwoClasses)
            .Single(p => p is { Rate: OperatingRate.TruePositive, Level: 0.98 });
        Assert.Multiple(() =>
        {
            Assert.That(point.Threshold, Is.EqualTo(0.5));
            Assert.That(point.TestFalsePositiveRate.Overall, Is.EqualTo(0.5));
            Assert.That(point.Rejection.Overall, Is.Zero);
            Assert.That(point.Accuracy.Overall, Is.EqualTo(1));
        });
    }

    [Test]
    public void a_threshold_that_accepts_nothing_has_no_accuracy()
    {
        double[] scores = [0.7, 0.8];
        var point = OperatingPoint.Compute(RocCurve.From([0.1], scores), scores, [0, 1], [0, 1], TwoClasses)[^1];
        Assert.Multiple(() =>
        {
            Assert.That(point.Rejection.Overall, Is.EqualTo(1));
            Assert.That(point.Accuracy.Overall, Is.NaN);
        });
    }

    [Test]
    public void the_average_counts_every_set_alike()
    {
        var near = EvaluationSamples.Set("near", ImageSet.NoClass);
        var ofNear = EvaluationSamples.Logits((0, 100));
        var report = Evaluator.Evaluate(
            images => images == Test ? OfTest : images == Far ? OfFar : new Predictions(ofNear, ofNear),
            Test,
            [Far, near],
            EvaluationSamples.Protocol);
        var points = report.Main.Sets.Select(set => set.Result.OperatingPoints[4].TestFalsePositiveRate.Few);
        Assert.Multiple(() =>
        {
            Assert.That(report.Main.Average!.Metrics.Auroc, Is.EqualTo(0.45).Within(1e-15));
            Assert.That(report.Main.Average.Groups.Tail.Auroc, Is.EqualTo(0.375));
            Assert.That(report.Main.Average.OperatingPoints[4].TestFalsePositiveRate.Few, Is.EqualTo(points.Average()));
            Assert.That(report.Main.Average.OperatingPoints[4].Threshold, Is.NaN);
        });
    }

    [Test]
    public void without_out_of_distribution_sets_only_classification_is_reported()
    {
        var report = Evaluator.Evaluate(_ => OfTest, Test, [], EvaluationSamples.Protocol);
        Assert.Multiple(() =>
        {
            Assert.That(report.Deployed.Sets, Is.Empty);
            Assert.That(report.Deployed.Average, Is.Null);
            Assert.That(report.Deployed.TailRejections, Is.Empty);
            Assert.That(report.Worst.OutOfDistribution, Is.Empty);
            Assert.That(report.Worst.InDistribution, Has.Count.EqualTo(4));
            Assert.That(report.Deployed.Classification.Accuracy.Overall, Is.EqualTo(0.75));
        });
    }

    [Test]
    public void a_test_set_without_tail_images_has_no_tail_auroc()
    {
        var heads = EvaluationSamples.Set("heads", 0, 1, 0, 1);
        var report = Evaluator.Evaluate(images => images == heads ? OfTest : OfFar, heads, [Far], EvaluationSamples.Protocol);
        Assert.That(report.Main.Average!.Groups.Tail.Auroc, Is.NaN);
    }

    [Test]
    public void two_sets_of_one_name_are_refused() => Assert.That(
        () => Evaluator.Evaluate(images => images == Test ? OfTest : OfFar, Test, [Far, Far], EvaluationSamples.Protocol),
        Throws.TypeOf<InputException>().With.Message.Contains("Two out-of-distribution sets are called far"));

    [Test]
    public void an_empty_test_set_is_refused() => AssertRefused(EvaluationSamples.Set("test"), Far, "test has no images");

    [Test]
    public void a_test_image_without_a_class_is_refused() =>
        AssertRefused(EvaluationSamples.Set("test", 0, ImageSet.NoClass), Far, "test[1] in the test set test has no class");

    [Test]
    public void an_out_of_distribution_set_of_in_distribution_images_is_refused() =>
        AssertRefused(Test, EvaluationSamples.Set("far", 0, 1), "far has 2 images and none that is out of distribution");

    [Test]
    public void an_empty_out_of_distribution_set_is_refused() => AssertRefused(Test, EvaluationSamples.Set("far"), "far has 0 images");

    [Test]
    public void a_label_the_model_does_not_know_is_refused() => AssertRefused(
        Test,
        EvaluationSamples.Set("far", ImageSet.NoClass, 3),
        "far[1] in far is labelled as class 3, but the model knows the classes 0 to 2");

    [TestCase(float.NaN)]
    [TestCase(float.NegativeInfinity)]
    public void a_diverged_model_is_refused(float logit)
    {
        var values = new float[12];
        values[7] = logit;
        var diverged = OfTest with { Auxiliary = new Logits(values, 3) };
        Assert.That(
            () => Evaluator.Evaluate(_ => diverged, Test, [], EvaluationSamples.Protocol),
            Throws.TypeOf<InputException>().With.Message.Contains("test[2] in test"));
    }

    private static void AssertRefused(ImageSet test, ImageSet outOfDistribution, string expected) => Assert.That(
        () => Evaluator.Evaluate(
            _ => throw new InvalidOperationException("must not run"), test, [outOfDistribution], EvaluationSamples.Protocol),
        Throws.TypeOf<InputException>().With.Message.Contains(expected));
}
