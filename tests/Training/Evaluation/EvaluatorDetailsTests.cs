using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using static Pascl.Tests.Training.Evaluation.FourTestImages;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>What an evaluation says beyond detection and accuracy: groups of classes, confidence, and the worst images.</summary>
public sealed class EvaluatorDetailsTests
{
    [Test]
    public void detection_is_measured_against_each_group_of_classes()
    {
        // Class 2 is the tail class and the only few-shot class; class 0 is many-shot, class 1 medium-shot.
        var groups = Evaluate().Main.Sets.Single().Result.Groups;
        double[] outScores = ScoresOf(1, 3);
        Assert.Multiple(() =>
        {
            Assert.That(groups.Tail, Is.EqualTo(OodMetrics.Compute(outScores, [Score(4), Score(2)])));
            Assert.That(groups.Few, Is.EqualTo(groups.Tail));
            Assert.That(groups.Head, Is.EqualTo(OodMetrics.Compute(outScores, [Score(9), Score(8)])));
            Assert.That(groups.Many, Is.EqualTo(OodMetrics.Compute(outScores, [Score(9)])));
            Assert.That(groups.Medium, Is.EqualTo(OodMetrics.Compute(outScores, [Score(8)])));
        });
    }

    [Test]
    public void the_confusion_counts_classes_by_predicted_classes()
    {
        var report = Evaluate();
        Assert.Multiple(() =>
        {
            Assert.That(report.Main.Confusion, Is.EqualTo((int[][])[[1, 0, 0], [0, 1, 0], [1, 1, 0]]));
            Assert.That(report.Deployed.Confusion, Is.EqualTo((int[][])[[1, 0, 0], [1, 0, 0], [0, 0, 2]]));
        });
    }

    [Test]
    public void risk_takes_the_score_of_one_branch_and_the_errors_of_the_other()
    {
        // Sureness 9, 8, 4, 2 of the main branch; it errs in the last two, the auxiliary branch in the second.
        var report = Evaluate();
        double[] scores = ScoresOf(9, 8, 4, 2);
        double[] withOut = [.. scores, Score(1), Score(3)];
        Assert.Multiple(() =>
        {
            Assert.That(report.Main.Risk, Is.EqualTo(RiskCoverage.From(scores, [false, false, true, true]).Areas()));
            Assert.That(report.Deployed.Risk, Is.EqualTo(RiskCoverage.From(scores, [false, true, false, false]).Areas()));
            Assert.That(
                report.Deployed.Average!.Risk,
                Is.EqualTo(RiskCoverage.From(withOut, [false, true, false, false, true, true]).Areas()));
        });
    }

    [Test]
    public void calibration_is_that_of_the_branch_that_gives_the_class()
    {
        var reliability = Evaluate().Deployed.Calibration;
        double[] probabilities = [.. ScoresOf(1, 2, 3, 4).Select(score => 1 - score)];
        Assert.Multiple(() =>
        {
            Assert.That(
                reliability.Overall.ExpectedCalibrationError,
                Is.EqualTo(Calibration.Compute(probabilities, [false, true, false, false]).ExpectedCalibrationError));
            Assert.That(reliability.Overall.Images.Sum(), Is.EqualTo(4));
            Assert.That(reliability.Few.ExpectedCalibrationError, Is.EqualTo((Score(3) + Score(4)) / 2).Within(1e-12));
            Assert.That(reliability.Medium.ExpectedCalibrationError, Is.EqualTo(probabilities[1]).Within(1e-12));
        });
    }

    [Test]
    public void the_worst_images_are_those_at_the_wrong_end_of_the_deployed_score()
    {
        var worst = Evaluate().Worst;
        Assert.Multiple(() =>
        {
            Assert.That(worst.InDistribution.Select(image => image.Index), Is.EqualTo((int[])[3, 2, 1, 0]));
            Assert.That(worst.InDistribution[0], Is.EqualTo(new WorstImage("test", 3, "test[3]", 2, 2, Score(2))));
            // The third image of the set shows a class, so it cannot be wrong here.
            Assert.That(worst.OutOfDistribution.Select(image => (image.Index, image.Label)), Is.EqualTo(((int, int?)[])[(1, null), (0, null)]));
        });
    }

    [Test]
    public void of_more_candidates_the_first_of_equal_ones_are_listed()
    {
        var many = EvaluationSamples.Set("many", [.. Enumerable.Repeat(ImageSet.NoClass, 60)]);
        var rows = EvaluationSamples.Logits([.. Enumerable.Range(0, 60).Select(i => (0, i < 30 ? 1f : 5))]);
        var report = Evaluator.Evaluate(
            images => images == Test ? OfTest : new Predictions(rows, rows), Test, [many], EvaluationSamples.Protocol);
        Assert.That(report.Worst.OutOfDistribution.Select(image => image.Index), Is.EqualTo(Enumerable.Range(30, 25)));
    }

    [Test]
    public void tail_classes_are_listed_by_how_often_they_are_rejected()
    {
        var protocol = EvaluationSamples.Protocol with { TailClasses = [false, true, true] };
        var report = Evaluator.Evaluate(images => images == Test ? OfTest : OfFar, Test, [Far], protocol);
        // At 95 % of the out-of-distribution images, sureness 3, one of the two images of class 2 is rejected and none of class 1.
        Assert.That(
            report.Deployed.TailRejections,
            Is.EqualTo((ClassRejection[])[new(2, "cat", 5, 0.5), new(1, "car", 50, 0)]));
    }
}
