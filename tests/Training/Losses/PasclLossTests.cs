using Pascl.Kernels;
using Pascl.Tests.Kernels;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Losses;

[SimulatesGpu]
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

    [TestCase(1, 0, 1, ScalarType.Float32)]
    [TestCase(5, 3, 8, ScalarType.Float64)]
    [TestCase(13, 9, 16, ScalarType.BFloat16)]
    public void kernels_agree_with_torch(int images, int outliers, int width, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var byTorch = new PasclLoss(Tail, 0.1, Weights);
        using var byKernels = new PasclLoss(Tail, 0.1, Weights, Kernels.Devices.Get("simulator"));
        var rows = tensor(GoldenInputs.Features(5, (2 * images) + outliers, width)).reshape(-1, width).to(type);
        var (expected, actual) = (rows.to(ScalarType.Float64).clone().requires_grad_(), rows.requires_grad_());
        var labels = tensor(Enumerable.Range(0, images).Select(image => (long)(image + 2) % Tail.Length).ToArray());
        var (expectedLoss, actualLoss) = (byTorch.forward(expected, labels), byKernels.forward(actual, labels));
        KernelGradients.Backward(3 * expectedLoss);
        KernelGradients.Backward(3 * actualLoss);

        // An exponent has the error of a sum of products over the temperature, twice: by itself and in the sum of exponentials, which adds its own. The
        // gradient, of this error and over the temperature again, is then rounded to the features' type.
        var allowed = Tolerance.Sum(Tolerance.Single, width + rows.shape[0]) * 2 / 0.1;
        var rounding = type == ScalarType.BFloat16 ? Tolerance.BFloat16 : 0;
        var difference = (actual.grad!.to(ScalarType.Float64) - expected.grad!).abs().max().item<double>();
        Assert.Multiple(() =>
        {
            Assert.That(actual.grad!.dtype, Is.EqualTo(type));
            Assert.That(actualLoss.item<float>(), Is.EqualTo(expectedLoss.item<double>()).Within(allowed * Weights[2..].Max()));
            Assert.That(difference, Is.LessThanOrEqualTo((3 * allowed * Weights[2..].Max() / 0.1) + (rounding * expected.grad!.abs().max().item<double>())));
        });
    }

    [Test]
    public void ten_steps_by_kernels_lose_what_they_lose_by_torch()
    {
        using var byTorch = new PasclLoss(Tail, 0.1, Weights);
        using var byKernels = new PasclLoss(Tail, 0.1, Weights, Kernels.Devices.Get("simulator"));
        var (expected, actual) = (Train(byTorch), Train(byKernels));
        Assert.That(expected[^1], Is.LessThan(0.9 * expected[0]), "it learns");
        foreach (var (step, loss) in expected.Index())
        {
            Assert.That(actual[step], Is.EqualTo(loss).Within(1e-4 * loss), $"step {step}");
        }
    }

    [Test]
    public void kernels_refuse_labels_of_another_type()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.1, device: Kernels.Devices.Get("simulator"));
        Assert.That(() => loss.forward(ones(4, 3), ones(2, ScalarType.Int32)), Throws.ArgumentException.With.Message.Contains("labels is a Int32 tensor"));
    }

    [Test]
    public void features_without_a_gradient_have_the_same_loss()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.1);
        var features = tensor(GoldenInputs.Features(3, 9, 4)).reshape(9, 4);
        var labels = tensor(new long[] { 2, 2, 3 });
        var expected = loss.forward(features.clone().requires_grad_(), labels).item<float>();
        Assert.That(loss.forward(features, labels).item<float>(), Is.EqualTo(expected));
    }

    [Test]
    public void a_graph_that_is_kept_gives_the_same_gradient_again()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.1);
        var features = tensor(GoldenInputs.Features(3, 9, 4)).reshape(9, 4).requires_grad_();
        var total = 3 * loss.forward(features, tensor(new long[] { 2, 2, 3 }));
        var (first, second) = (autograd.grad([total], [features], retain_graph: true)[0], autograd.grad([total], [features])[0]);
        Assert.That(first.abs().sum().item<float>(), Is.Positive);
        Assert.That(second.data<float>().ToArray(), Is.EqualTo(first.data<float>().ToArray()));
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

    [Test]
    public void a_label_beyond_the_classes_is_refused_by_its_number()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.07);
        Assert.That(() => loss.forward(ones(4, 3), tensor(new long[] { 0, 5 })), Throws.ArgumentException.With.Message.Contains("label 5"));
    }

    [Test]
    public void a_batch_without_tail_images_and_outliers_gives_zero()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, 0.07);
        var features = ones(4, 3).requires_grad_();
        var actual = loss.forward(features, tensor(new long[] { 0, 0 }));
        actual.backward();
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<float>(), Is.Zero);
            Assert.That(features.grad!.data<float>().ToArray(), Is.All.Zero);
        });
    }

    // Losses of ten steps of gradient descent on a layer whose outputs are brought to unit length.
    private static float[] Train(PasclLoss loss)
    {
        using var scope = NewDisposeScope();
        var inputs = tensor(GoldenInputs.Features(3, 23, 6)).reshape(23, 6);
        var labels = tensor(new long[] { 2, 0, 3, 4, 2, 1, 3, 4, 4 });
        var layer = tensor(GoldenInputs.Features(4, 6, 5)).reshape(6, 5).requires_grad_();
        var losses = new float[10];
        for (var step = 0; step < losses.Length; step++)
        {
            layer.grad = null;
            var value = loss.forward(nn.functional.normalize(inputs.mm(layer)), labels);
            KernelGradients.Backward(value);
            losses[step] = value.item<float>();
            using (no_grad())
            {
                layer.sub_(0.02 * layer.grad!);
            }
        }

        return losses;
    }
}
