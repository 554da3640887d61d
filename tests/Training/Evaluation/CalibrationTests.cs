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
