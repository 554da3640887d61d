using Pascl.Kernels;
using Pascl.Training.Golden;
using Pascl.Training.Loss;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Loss;

public sealed class ContrastiveSelectionTests
{
    private const double Temperature = 0.1;
    private static readonly bool[] Tail = [false, true, true];
    private static readonly double[] Weights = [9, 0.25, 3];

    [TestCase(1, 0)]
    [TestCase(4, 0)]
    [TestCase(13, 9)]
    public void picked_rows_and_masks_both_give_the_loss_and_gradient_of_the_reference(int images, int outliers)
    {
        const int Width = 8;
        using var scope = NewDisposeScope();
        using var selection = new ContrastiveSelection(Tail, Weights);
        var values = Array.ConvertAll(GoldenInputs.Features(2, (2 * images) + outliers, Width), value => (double)value);
        int[] classes = [.. Enumerable.Range(0, images).Select(image => image % Tail.Length)];
        var labels = tensor(Array.ConvertAll(classes, label => (long)label));
        var loss = FusedContrastiveLossReference.ForwardOfBatch(values, Width, classes, Tail, Temperature, Weights);
        var gradient = FusedContrastiveLossReference.BackwardOfBatch(values, Width, classes, Tail, Temperature, Weights);
        foreach (var select in new[] { selection.Picked, selection.Masked })
        {
            var features = tensor(values).reshape(-1, Width).requires_grad_();
            var (rows, exclusion, targets) = select(features, labels);
            var similarity = exclusion + (rows.narrow(0, 0, targets.shape[0]).mm(rows.t()) / Temperature);
            var actual = -(similarity.log_softmax(1) * targets).sum();
            actual.backward();
            Assert.Multiple(() =>
            {
                Assert.That(actual.item<double>(), Is.EqualTo(loss).Within(1e-12));
                Assert.That(features.grad!.data<double>().ToArray(), Is.EqualTo(gradient).Within(1e-12 / Temperature));
            });
        }
    }

    [Test]
    public void a_label_beyond_the_classes_is_refused_by_its_number()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, Temperature);
        Assert.That(() => loss.forward(ones(4, 3), tensor(new long[] { 0, 3 })), Throws.ArgumentException.With.Message.Contains("label 3"));
    }

    [Test]
    public void a_batch_without_tail_images_and_outliers_gives_zero()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss(Tail, Temperature);
        var features = ones(4, 3).requires_grad_();
        var actual = loss.forward(features, tensor(new long[] { 0, 0 }));
        actual.backward();
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<float>(), Is.Zero);
            Assert.That(features.grad!.data<float>().ToArray(), Is.All.Zero);
        });
    }
}
