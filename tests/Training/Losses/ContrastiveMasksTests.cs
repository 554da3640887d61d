using Pascl.Kernels;
using Pascl.Training.Golden;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Losses;

public sealed class ContrastiveMasksTests
{
    private const double Temperature = 0.1;
    private static readonly bool[] Tail = [false, true, true];
    private static readonly double[] Weights = [9, 0.25, 3];

    [TestCase(1, 0)]
    [TestCase(4, 0)]
    [TestCase(13, 9)]
    public void masks_give_the_loss_and_gradient_of_the_reference(int images, int outliers)
    {
        const int Width = 8;
        using var scope = NewDisposeScope();
        using var masks = new ContrastiveMasks(Tail, Weights);
        var values = Array.ConvertAll(GoldenInputs.Features(2, (2 * images) + outliers, Width), value => (double)value);
        int[] classes = [.. Enumerable.Range(0, images).Select(image => image % Tail.Length)];
        var labels = tensor(Array.ConvertAll(classes, label => (long)label));
        var loss = FusedContrastiveLossReference.ForwardOfBatch(values, Width, classes, Tail, Temperature, Weights);
        var gradient = FusedContrastiveLossReference.BackwardOfBatch(values, Width, classes, Tail, Temperature, Weights);
        var features = tensor(values).reshape(-1, Width).requires_grad_();
        var (exclusion, targets) = masks.Of(features, labels);
        var similarity = exclusion + (features.narrow(0, 0, targets.shape[0]).mm(features.t()) / Temperature);
        var actual = -(similarity.log_softmax(1) * targets).sum();
        actual.backward();
        Assert.Multiple(() =>
        {
            Assert.That(actual.item<double>(), Is.EqualTo(loss).Within(1e-12));
            Assert.That(features.grad!.data<double>().ToArray(), Is.EqualTo(gradient).Within(1e-12 / Temperature));
        });
    }
}
