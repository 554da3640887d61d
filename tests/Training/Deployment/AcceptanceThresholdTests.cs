using CsCheck;
using Pascl.Training;
using Pascl.Training.Deployment;

namespace Pascl.Tests.Training.Deployment;

public sealed class AcceptanceThresholdTests
{
    [Test]
    public void it_is_the_lowest_score_that_accepts_the_share() =>
        Gen.Select(Gen.Int[0, 30].Array[1, 60], Gen.Double[0.001, 1]).Sample((values, share) =>
        {
            double[] scores = [.. values.Select(value => value / 7.0)];
            var expected = scores.Where(t => scores.Count(score => score <= t) / (double)scores.Length >= share).Min();
            Assert.That(AcceptanceThreshold.Of(scores, share), Is.EqualTo(expected));
        });

    [TestCase(0.95, 19)]
    [TestCase(0.9500001, 20)]
    [TestCase(1, 20)]
    [TestCase(0.05, 1)]
    [TestCase(1e-9, 1)]
    [TestCase(0.55, 11)]
    [TestCase(0.35, 7)]
    public void a_share_that_is_a_whole_number_of_images_is_met_exactly(double share, int expected) =>
        Assert.That(AcceptanceThreshold.Of([.. Enumerable.Range(1, 20).Reverse().Select(i => (double)i)], share), Is.EqualTo(expected));

    [TestCase(0)]
    [TestCase(-0.1)]
    [TestCase(1.01)]
    [TestCase(double.NaN)]
    public void a_share_that_is_none_is_refused(double share) => Assert.That(
        () => AcceptanceThreshold.Of([1], share), Throws.TypeOf<InputException>().With.Message.Contains("above 0 and at most 1"));

    [Test]
    public void no_scores_have_no_threshold() => Assert.That(() => AcceptanceThreshold.Of([], 0.5), Throws.ArgumentException);
}
