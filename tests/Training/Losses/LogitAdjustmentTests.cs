using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Losses;

public sealed class LogitAdjustmentTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(1.5)]
    public void equals_cross_entropy_of_logits_plus_tau_log_prior(double tau)
    {
        using var scope = NewDisposeScope();
        using var loss = new LogitAdjustment([70, 20, 10], tau);
        double[] priors = [0.7, 0.2, 0.1];
        double[] logits = [0.3, -1, 2];
        var adjusted = logits.Zip(priors, (z, prior) => z + (tau * Math.Log(prior))).ToArray();
        var expected = Math.Log(adjusted.Sum(Math.Exp)) - adjusted[1];

        var actual = loss.forward(tensor(logits).reshape(1, 3), tensor(new long[] { 1 })).item<double>();
        Assert.That(actual, Is.EqualTo(expected).Within(1e-14));
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void a_class_without_images_is_refused(int count) =>
        Assert.That(() => new LogitAdjustment([3, count]), Throws.ArgumentException.With.Message.Contains($"3 {count}"));

    [Test]
    public void one_row_of_equal_logits_costs_nothing_beyond_the_uniform_prediction_for_outlier_exposure()
    {
        using var scope = NewDisposeScope();
        using var loss = new OutlierExposureLoss();
        Assert.Multiple(() =>
        {
            Assert.That(loss.forward(zeros(1, 4)).item<float>(), Is.EqualTo(Math.Log(4)).Within(1e-6));
            Assert.That(() => loss.forward(zeros(0, 4)), Throws.ArgumentException.With.Message.Contains("(0, 4)"));
        });
    }
}
