using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class CalibrationTests
{
    [Test]
    public void six_images_in_five_bins()
    {
        var reliability = Calibration.Compute([0.95, 0.94, 0.62, 0.60, 0.35, 1.0], [false, true, false, false, true, false]);
        Assert.Multiple(() =>
        {
            Assert.That(reliability.ExpectedCalibrationError, Is.EqualTo(0.336667).Within(1e-6));
            Assert.That(reliability.Images, Is.EqualTo((int[])[0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 3]));
            Assert.That(reliability.MeanProbability[14], Is.EqualTo(2.89 / 3).Within(1e-12));
            Assert.That(reliability.Accuracy[14], Is.EqualTo(2 / 3.0));
            Assert.That(reliability.Accuracy[0], Is.NaN);
        });
    }

    [Test]
    public void the_error_agrees_with_its_definition() => Gen.Select(
            Gen.OneOf(Gen.Double[0, 1], Gen.Int[0, 15].Select(value => value / 15.0)), Gen.Bool).Array[1, 60].Sample(images =>
    {
        var (probabilities, errors) = (images.Select(i => i.Item1).ToArray(), images.Select(i => i.Item2).ToArray());
        Assert.That(
            Calibration.Compute(probabilities, errors).ExpectedCalibrationError,
            Is.EqualTo(NaiveMetrics.CalibrationError(probabilities, errors)).Within(1e-12));
    });

    [TestCase(0.0, 0)]
    [TestCase(1 / 15.0, 0)]
    [TestCase(0.6, 8)]
    [TestCase(0.61, 9)]
    [TestCase(1.0, 14)]
    public void a_bin_holds_its_upper_end(double probability, int bin) =>
        Assert.That(Array.IndexOf(Calibration.Compute([probability], [false]).Images, 1), Is.EqualTo(bin));

    [TestCase(false, 0.0)]
    [TestCase(true, 1.0)]
    public void a_model_that_is_always_sure_is_off_by_its_error_rate(bool wrong, double error) =>
        Assert.That(Calibration.Compute([1, 1], [wrong, wrong]).ExpectedCalibrationError, Is.EqualTo(error));

    [Test]
    public void without_images_there_is_no_error() => Assert.That(Calibration.Compute([], []).ExpectedCalibrationError, Is.NaN);

    [Test]
    public void what_is_no_probability_is_refused()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => Calibration.Compute([1.5], [true]), Throws.ArgumentException.With.Message.Contains("1.5"));
            Assert.That(() => Calibration.Compute([double.NaN], [true]), Throws.ArgumentException);
            Assert.That(() => Calibration.Compute([0.5], []), Throws.ArgumentException);
        });
    }
}

public sealed class RiskCoverageTests
{
    private const double Rounding = 1e-12;

    private static readonly Gen<(double Score, bool Error)[]> Answers =
        Gen.Select(Gen.OneOf(Gen.Int[0, 4].Select(value => value / 4.0), Gen.Double[0, 1]), Gen.Bool).Array[1, 40];

    [Test]
    public void one_error_in_second_place()
    {
        var risk = RiskCoverage.From([1, 2, 3, 4], [false, true, false, false]).Areas();
        Assert.Multiple(() =>
        {
            Assert.That(risk.Aurc, Is.EqualTo(13 / 48.0).Within(Rounding));
            Assert.That(risk.ExcessAurc, Is.EqualTo((13 / 48.0) - 0.0625).Within(Rounding));
            Assert.That(risk.Augrc, Is.EqualTo(0.1875).Within(Rounding));
        });
    }

    [Test]
    public void tied_images_share_their_errors()
    {
        // The mean of the two orders, 1/3 and 5/24.
        var risk = RiskCoverage.From([-0.9, -0.7, -0.7, -0.5], [false, true, false, true]).Areas();
        Assert.That(risk.Aurc, Is.EqualTo(13 / 48.0).Within(Rounding));
    }

    [Test]
    public void the_areas_agree_with_their_definitions() => Answers.Sample(answers =>
    {
        var (scores, errors) = (answers.Select(a => a.Score).ToArray(), answers.Select(a => a.Error).ToArray());
        var (ours, naive) = (RiskCoverage.From(scores, errors).Areas(), NaiveMetrics.Risk(scores, errors));
        Assert.Multiple(() =>
        {
            Assert.That(ours.Aurc, Is.EqualTo(naive.Aurc).Within(Rounding));
            Assert.That(ours.ExcessAurc, Is.EqualTo(naive.ExcessAurc).Within(Rounding));
            Assert.That(ours.Augrc, Is.EqualTo(naive.Augrc).Within(Rounding));
        });
    });

    [Test]
    public void the_order_of_the_images_does_not_matter() => Answers.Sample(answers =>
    {
        var reversed = answers.Reverse().ToArray();
        return RiskCoverage.From([.. answers.Select(a => a.Score)], [.. answers.Select(a => a.Error)]).Areas()
            == RiskCoverage.From([.. reversed.Select(a => a.Score)], [.. reversed.Select(a => a.Error)]).Areas();
    });

    [Test]
    public void without_errors_there_is_no_risk() =>
        Assert.That(RiskCoverage.From([1, 2], [false, false]).Areas(), Is.EqualTo(new SelectiveRisk(0, 0, 0)));

    [Test]
    public void when_all_is_wrong_no_order_is_better() =>
        Assert.That(RiskCoverage.From([1, 2, 3, 4], [true, true, true, true]).Areas(), Is.EqualTo(new SelectiveRisk(1, 0, 0.625)));

    [Test]
    public void without_images_nothing_is_defined()
    {
        var empty = RiskCoverage.From([], []);
        Assert.Multiple(() =>
        {
            Assert.That(empty.Areas(), Is.EqualTo(new SelectiveRisk(double.NaN, double.NaN, double.NaN)));
            Assert.That(empty.Curve().Coverage, Is.Empty);
        });
    }

    [Test]
    public void the_curve_of_few_images_has_a_point_for_each()
    {
        var curve = RiskCoverage.From([1, 2, 3, 4], [false, true, false, false]).Curve();
        Assert.Multiple(() =>
        {
            Assert.That(curve.Coverage, Is.EqualTo((double[])[0.25, 0.5, 0.75, 1]));
            Assert.That(curve.Risk, Is.EqualTo((double[])[0, 0.5, 1 / 3.0, 0.25]));
        });
    }

    [Test]
    public void the_curve_of_many_images_has_a_hundred_points_and_ends_at_the_error_rate()
    {
        var curve = RiskCoverage.From([.. Enumerable.Range(0, 1001).Select(i => (double)i)], [.. Enumerable.Range(0, 1001).Select(i => i >= 900)]).Curve();
        Assert.Multiple(() =>
        {
            Assert.That(curve.Coverage, Has.Length.EqualTo(100).And.Ordered);
            Assert.That(curve.Coverage[0], Is.EqualTo(11 / 1001.0));
            Assert.That(curve.Risk[^1], Is.EqualTo(101 / 1001.0));
        });
    }

    [Test]
    public void what_does_not_fit_together_is_refused()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => RiskCoverage.From([1], []), Throws.ArgumentException);
            Assert.That(() => RiskCoverage.From([1, double.NaN], [true, false]), Throws.ArgumentException);
        });
    }
}
