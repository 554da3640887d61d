using CsCheck;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Networks;

public sealed class SoftmaxScoresTests
{
    [Test]
    public void the_score_is_one_minus_the_largest_probability() => Gen.Float[-20, 20].Array[1, 12].Sample(logits =>
    {
        var exponentials = logits.Select(z => Math.Exp(z)).ToArray();
        Assert.That(Softmax.OneMinusMaximum(logits), Is.EqualTo(1 - (exponentials.Max() / exponentials.Sum())).Within(1e-14));
    });

    [Test]
    public void confident_images_do_not_tie()
    {
        // In float, and in double after the subtraction, both largest probabilities are exactly 1.
        var (sure, surer) = (Softmax.OneMinusMaximum([60, 0, 0]), Softmax.OneMinusMaximum([61, 0, 0]));
        Assert.Multiple(() =>
        {
            Assert.That(surer, Is.GreaterThan(0).And.LessThan(sure));
            Assert.That(surer / sure, Is.EqualTo(Math.Exp(-1)).Within(1e-12));
        });
    }

    [Test]
    public void large_logits_do_not_overflow() => Assert.That(Softmax.OneMinusMaximum([3e38f, 3e38f]), Is.EqualTo(0.5));

    [Test]
    public void a_single_class_is_never_out_of_distribution() => Assert.That(Softmax.OneMinusMaximum([0.3f]), Is.Zero);

    [Test]
    public void a_logit_that_is_not_a_number_leaves_no_score()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Softmax.OneMinusMaximum([0, float.NaN, 1]), Is.NaN);
            Assert.That(Softmax.OneMinusMaximum([float.NaN, 0]), Is.NaN);
            Assert.That(Softmax.OneMinusMaximum([float.PositiveInfinity, float.PositiveInfinity]), Is.NaN);
        });
    }
}
