using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>
/// The shapes of a training step, on what runs a GPU's code: 256 images in two views and 512 outliers with 128 features each, long-tailed labels, and a layer of
/// BatchNorm, in blocks as large as a GPU has and divided as for one with 132 multiprocessors.
/// </summary>
[TestFixtureSource(typeof(Devices), nameof(Devices.OfGpuCode))]
public sealed class ProductionShapeTests(string name)
{
    private const int Images = 256;
    private const int Outliers = 512;
    private const int Width = 128;
    private const int Multiprocessors = 132;

    private KernelDevice Device => Devices.Get(name);

    // Of ten classes with a hundredth of the first in the last, the six smallest are the tail.
    private static bool[] IsTailClass => [false, false, false, false, true, true, true, true, true, true];

    private static int[] Labels =>
        [.. Enumerable.Range(0, Images).Select(image => Math.Min(9, (int)(-Math.Log(1 - (0.99 * (image * 89 % Images) / Images)) / Math.Log(100) * 10)))];

    [Long]
    [TestCase(Multiprocessors)]
    [TestCase(1)]
    public void the_fused_loss_of_a_step(int multiprocessors)
    {
        var batch = new ContrastiveBatch(Outliers, Width, Labels, IsTailClass, 0.1);
        using var operation = new FusedContrastiveLoss(Device, 0.1, FusedContrastiveLossVariant.Automatic, AnchorShare.Whole, 2 * multiprocessors);
        var (loss, gradient) = batch.Run(Device, operation);
        batch.AssertAgrees(loss, gradient, everyRowCounts: true);
    }

    [Long]
    [Test]
    public void the_loss_of_a_step_on_tensor_cores()
    {
        var anchors = Labels.Where(label => IsTailClass[label]).ToArray();
        var inputs = new ContrastiveCase(2 * anchors.Length, Outliers, Width, 0.1f, i => anchors[i % anchors.Length]);
        using var loss = new TensorCoreContrastiveLoss(Device, Width, ContrastivePrecision.BFloat16, simulatedWarps: 1, Multiprocessors);
        using var pass = new TensorCorePass(Device, loss, inputs);
        using var workspace = Device.Allocate<uint>(pass.WorkspaceLength);
        pass.Forward(workspace.Vector);
        var (value, gradient) = pass.Backward(workspace.Vector);
        var rounded = new RoundedContrastiveLoss(inputs, ContrastivePrecision.BFloat16);
        Assert.That(value, Is.EqualTo(rounded.Loss).Within(rounded.LossBound));
        Tolerance.AssertWithin(gradient, rounded.Gradient, rounded.GradientBounds, 1);
        Tolerance.AssertRefusesNothingAndTheOpposite(rounded.Gradient, rounded.GradientBounds, 1);
    }

    // Of 64 channels, in images of 16 x 16 pixels; a step has ten times the images.
    [Long]
    [Test]
    public void a_layer_of_batchnorm()
    {
        var kernels = new DualBatchNorm<BFloat16>(Device, DualBatchNormKernels.Threads, Multiprocessors);
        var shape = new BatchShape(36, 64, 16 * 16, ChannelsLast: true);
        BatchNormRun<BFloat16, BFloat16Element>
            .Of(kernels, Device, shape, 24, BatchNormActivation.AddAndRectify, threads: DualBatchNormKernels.Threads)
            .AssertAgreesWithReference();
    }
}
