using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class CorrectClassificationTests
{
    private static readonly double[] OutConfidences = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

    [TestCase(0.1, 0.25)]
    [TestCase(0.5, 0.5)]
    [TestCase(0.0001, 0.25)]
    public void of_four_test_images_those_correct_and_surer_than_the_threshold_count(double rate, double expected)
    {
        double[] scores = [-0.96, -0.7, -0.99, -0.5];
        var curve = RocCurve.From(NaiveMetrics.Negated(OutConfidences), scores);
        Assert.That(
            CorrectClassification.At(rate, curve, scores, [false, false, true, false]),
            Is.EqualTo(new CorrectClassification(rate, expected)));
    }

    [Test]
    public void the_rate_agrees_with_its_definition() => Gen.Select(
            Gen.Int[0, 9].Select(value => value / 9.0).Array[1, 50],
            Gen.Select(Gen.Int[0, 9].Select(value => value / 9.0), Gen.Bool).Array[1, 50],
            Gen.OneOf(Gen.Const(0.0001), Gen.Const(0.01), Gen.Const(0.1), Gen.Const(0.5), Gen.Const(1.0))).Sample((outScores, test, rate) =>
    {
        var (scores, errors) = (test.Select(t => t.Item1).ToArray(), test.Select(t => t.Item2).ToArray());
        return CorrectClassification.At(rate, RocCurve.From(outScores, scores), scores, errors).Rate
            == NaiveMetrics.CorrectClassification(rate, outScores, scores, errors);
    });
}
