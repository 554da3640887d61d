using Pascl.Kernels;
using Pascl.Training.Golden;
using Pascl.Training.Loss;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Loss;

public sealed class PasclLossTests
{
    private static readonly bool[] Tail = [false, false, true, true, true];
    private static readonly double[] Weights = [9, 9, 1, 0.25, 3];

    [TestCase(1, 0, 1)]
    [TestCase(1, 5, 8)]
    [TestCase(2, 1, 3)]
    [TestCase(7, 0, 5)]
    [TestCase(13, 9, 16)]
    [TestCase(64, 64, 128)]
    public void agrees_with_the_double_reference_over_the_tail_rows(int images, int outliers, int width)
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.07, Weights);
        var labels = Enumerable.Range(0, images).Select(i => (long)((3 * i) + 2) % Tail.Length).ToArray();
        var values = Array.ConvertAll(GoldenInputs.Features(5, (2 * images) + outliers, width), value => (double)value);
        var features = tensor(values).reshape(-1, width).requires_grad_();
        var actual = loss.forward(features, tensor(labels));
        actual.backward();

        var classes = Array.ConvertAll(labels, label => (int)label);
        var expected = FusedContrastiveLossReference.ForwardOfBatch(values, width, classes, Tail, 0.07, Weights);
        var gradient = FusedContrastiveLossReference.BackwardOfBatch(values, width, classes, Tail, 0.07, Weights);
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<double>(), Is.EqualTo(expected).Within(1e-12 * Math.Max(1, expected)));
            Assert.That(features.grad!.data<double>().ToArray(), Is.EqualTo(gradient).Within(1e-12 / 0.07));
        });
    }

    [Test]
    public void a_batch_without_tail_images_gives_zero_and_zero_gradients()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.07);
        var features = tensor(GoldenInputs.Features(1, 7, 4)).reshape(7, 4).requires_grad_();
        var actual = loss.forward(features, tensor(new long[] { 0, 1 }));
        actual.backward();
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<float>(), Is.Zero);
            Assert.That(features.grad!.data<float>().ToArray(), Is.All.Zero);
        });
    }

    [TestCase(1e-3)]
    [TestCase(100)]
    public void extreme_temperatures_stay_finite(double temperature)
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, temperature);
        var features = tensor(GoldenInputs.Features(3, 12, 4)).reshape(12, 4).requires_grad_();
        var actual = loss.forward(features, tensor(new long[] { 2, 0, 3, 4 }));
        actual.backward();
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<float>(), Is.Positive.And.LessThan(float.PositiveInfinity));
            Assert.That(features.grad!.isfinite().all().item<bool>());
        });
    }

    [Test]
    public void features_of_head_images_have_no_influence()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.1);
        var features = tensor(GoldenInputs.Features(3, 9, 4)).reshape(9, 4);
        var labels = tensor(new long[] { 2, 0, 3 });
        var before = loss.forward(features, labels).item<float>();
        features[1].neg_();
        features[4].neg_();
        Assert.That(loss.forward(features, labels).item<float>(), Is.EqualTo(before));
    }

    [Test]
    public void wrong_arguments_are_refused_with_both_numbers()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.1);
        Assert.Multiple(() =>
        {
            Assert.That(() => new PasclLoss(Tail, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new PasclLoss(Tail, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new PasclLoss(Tail, 0.1, [1, 1]), Throws.ArgumentException.With.Message.Contains("2 class weights for 5 classes"));
            Assert.That(() => loss.forward(ones(3, 4), ones(2, ScalarType.Int64)), Throws.ArgumentException.With.Message.Contains("(3, 4) for 2 labels"));
        });
    }
}
