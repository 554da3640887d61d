using CsCheck;
using Pascl.Training;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class AcceptanceThresholdTests
{
    [Test]
    public void it_accepts_the_fewest_images_that_are_the_share_and_lies_in_the_middle_to_the_next() =>
        Gen.Select(Gen.Int[0, 30].Array[1, 60], Gen.Double[0.001, 1]).Sample((values, share) =>
        {
            double[] scores = [.. values.Select(value => value / 8.0)];
            var last = scores.Where(t => scores.Count(score => score <= t) / (double)scores.Length >= share).Min();
            var expected = scores.Where(score => score > last).ToArray() is { Length: > 0 } higher ? (last + higher.Min()) / 2 : last;
            Assert.That(AcceptanceThreshold.Of(scores, share), Is.EqualTo(expected));
        });

    [TestCase(0.95, 19.5)]
    [TestCase(0.9500001, 20)]
    [TestCase(1, 20)]
    [TestCase(0.05, 1.5)]
    [TestCase(1e-9, 1.5)]
    [TestCase(0.55, 11.5)]
    [TestCase(0.35, 7.5)]
    public void a_share_that_is_a_whole_number_of_images_is_met_exactly(double share, double expected) =>
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
