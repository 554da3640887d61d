using Pascl.Kernels;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

public sealed class FusedContrastiveLossReferenceTests
{
    private const int Width = 3;
    private const double Temperature = 0.5;

    [Test]
    public void a_row_without_positives_counts_as_zero()
    {
        var rows = GoldenInputs.Sequence(1, 4 * Width);
        var pair = FusedContrastiveLossReference.Forward(rows, Width, [0, 0], Temperature);
        var withSingle = FusedContrastiveLossReference.Forward(rows, Width, [0, 0, 1], Temperature);
        Assert.That(withSingle, Is.EqualTo(pair * 2 / 3).Within(1e-15));
    }

    [TestCase(0)]
    [TestCase(2)]
    public void no_anchor_gives_zero(int outliers)
    {
        var rows = GoldenInputs.Sequence(1, outliers * Width);
        Assert.Multiple(() =>
        {
            Assert.That(FusedContrastiveLossReference.Forward(rows, Width, [], Temperature), Is.Zero);
            Assert.That(FusedContrastiveLossReference.Backward(rows, Width, [], Temperature), Is.All.Zero);
        });
    }

    [Test]
    public void a_lone_anchor_gives_zero()
    {
        Assert.Multiple(() =>
        {
            Assert.That(FusedContrastiveLossReference.Forward([1, 2, 3], Width, [0], Temperature), Is.Zero);
            Assert.That(FusedContrastiveLossReference.Backward([1, 2, 3], Width, [0], Temperature), Is.All.Zero);
        });
    }

    [Test]
    public void the_gradient_is_the_slope_of_the_loss()
    {
        const double Step = 1e-6;
        int[] labels = [0, 1, 0, 0, 2];
        double[] weights = [1, 0.5, 2];
        var rows = GoldenInputs.Sequence(3, 7 * Width);
        var gradient = FusedContrastiveLossReference.Backward(rows, Width, labels, Temperature, weights);
        var slopes = rows.Select((_, i) => (Shifted(i, Step) - Shifted(i, -Step)) / (2 * Step));

        // The error of central differences: step^2 of truncation and 1e-16 / step of rounding.
        Assert.That(gradient, Is.EqualTo(slopes).Within(1e-9));

        double Shifted(int index, double by)
        {
            double[] shifted = [.. rows];
            shifted[index] += by;
            return FusedContrastiveLossReference.Forward(shifted, Width, labels, Temperature, weights);
        }
    }

    [Test]
    public void the_gradient_of_a_batch_is_the_slope_of_its_loss()
    {
        const double Step = 1e-6;
        int[] labels = [2, 0, 1, 2];
        bool[] isTailClass = [false, true, true];
        double[] weights = [1, 0.5, 2];
        var features = GoldenInputs.Sequence(3, 10 * Width);
        var gradient = FusedContrastiveLossReference.BackwardOfBatch(features, Width, labels, isTailClass, Temperature, weights);
        var slopes = features.Select((_, i) => (Shifted(i, Step) - Shifted(i, -Step)) / (2 * Step));

        // As above.
        Assert.That(gradient, Is.EqualTo(slopes).Within(1e-9));
        Assert.That(gradient[Width..(2 * Width)], Is.All.Zero);

        double Shifted(int index, double by)
        {
            double[] shifted = [.. features];
            shifted[index] += by;
            return FusedContrastiveLossReference.ForwardOfBatch(shifted, Width, labels, isTailClass, Temperature, weights);
        }
    }

    [Test]
    public void rows_that_do_not_fit_are_refused() =>
        Assert.That(() => FusedContrastiveLossReference.Forward([1, 2, 3, 4], Width, [0], Temperature), Throws.ArgumentException.With.Message.Contains("4 values in rows of 3"));
}
