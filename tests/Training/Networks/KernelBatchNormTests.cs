using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Kernels;
using Pascl.Tests.Processes;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

[SimulatesGpu]
public sealed class KernelBatchNormTests
{
    // Sums of 4 * 6 values, and fewer than 20 other operations; the largest numbers are about 4, and so are the factors that they meet.
    private static readonly double SingleError = 16 * Tolerance.Sum(Tolerance.Single, (4 * 6) + 20);

    private DisposeScope scope = null!;

    private static KernelDevice Device => Kernels.Devices.Get("simulator");

    [SetUp]
    public void SetUp()
    {
        scope = NewDisposeScope();
        random.manual_seed(1);
    }

    [TearDown]
    public void TearDown() => scope.Dispose();

    [Test]
    public void kernels_compute_what_torch_computes([Values] BatchNormActivation activation, [Values] bool channelsLast, [Values] bool training)
    {
        var (ours, torchs) = Pair(training);
        var (input, residual, slope) = (Image(channelsLast), Image(channelsLast), randn(4, 5, 2, 3));
        var actual = Run(ours, input, residual, slope, activation);
        var expected = Run(torchs, input, residual, slope, activation);
        Assert.Multiple(() =>
        {
            Assert.That(actual[0].stride(), Is.EqualTo(input.stride()));
            Assert.That(Differences(actual, expected), Is.All.LessThan(SingleError));
            Assert.That(Differences(State(ours), State(torchs)), Is.All.LessThan(SingleError));
        });
    }

    [TestCase(ScalarType.BFloat16, Tolerance.BFloat16)]
    [TestCase(ScalarType.Float16, Tolerance.Half)]
    public void parameters_stay_single_where_activations_do_not(ScalarType type, double storage)
    {
        var (ours, torchs) = Pair(training: true);
        var (input, residual, slope) = (Image(true).to(type), Image(true).to(type), randn(4, 5, 2, 3).to(type));
        var actual = Run(ours, input, residual, slope, BatchNormActivation.AddAndRectify);
        var expected = Run(torchs, input.to(float32), residual.to(float32), slope.to(float32), BatchNormActivation.AddAndRectify);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(actual.Select(tensor => tensor.dtype), Is.EqualTo([type, type, type, float32, float32]));
            foreach (var (own, wanted) in actual.Zip(expected))
            {
                Assert.That(Refused(own, wanted, storage), Is.Zero);

                // No more than a step of bfloat16 and the error of float32 sums: a value must be large enough to differ from nothing and from its opposite.
                var values = wanted.count_nonzero().item<long>();
                Assert.That(Refused(zeros_like(wanted), wanted, storage), Is.AtLeast(0.95 * values));
                Assert.That(Refused(-own, wanted, storage), Is.AtLeast(0.95 * values));
            }
        }
    }

    [Test]
    public void two_batches_may_be_in_flight()
    {
        var (input, other) = (Image(true), Image(true));
        var slope = randn(4, 5, 2, 3);
        var (together, apart) = (Pair(training: true).Ours, new DualBranchBatchNorm2d(5, Device));
        apart.load_state_dict(together.state_dict());
        Tensor[] images = [input.detach().requires_grad_(), other.detach().requires_grad_()];

        // Both passes forward, then both back, the first one first: as two views of a step, or a step that begins before another's end.
        var outputs = images.Select(image => together.forward(image, Branch.Main, BatchNormActivation.Rectify)).ToArray();
        Array.ForEach(outputs, output => KernelGradients.Backward((output * slope).sum()));
        foreach (var (image, i) in images.Select((image, i) => (image, i)))
        {
            var alone = image.detach().requires_grad_();
            var output = apart.forward(alone, Branch.Main, BatchNormActivation.Rectify);
            KernelGradients.Backward((output * slope).sum());
            Assert.That(Differences([outputs[i], image.grad!], [output, alone.grad!]), Is.All.Zero);
        }

        Assert.That(Differences(State(together), State(apart)), Is.All.Zero);
    }

    [Test]
    public void a_network_of_kernels_computes_what_one_of_torchs_operations_computes()
    {
        using var kernels = new DualBranchResNet(ResNetDepth.ResNet18, 3, width: 2, device: Device);
        using var torchs = new DualBranchResNet(ResNetDepth.ResNet18, 3, width: 2);
        var images = rand(4, 3, 8, 8);
        var (actual, expected) = (Gradients(kernels, images), Gradients(torchs, images));

        // 17 layers in a row, forward and backward, each with sums of up to 4 * 64 values.
        var allowed = 2 * 17 * 16 * Tolerance.Sum(Tolerance.Single, (4 * 64) + 20);
        Assert.That(actual.Zip(expected, (left, right) => (double)((left - right).norm() / right.norm()).item<float>()), Is.All.LessThan(allowed));
        Assert.That(kernels.state_dict().Keys, Is.EqualTo(torchs.state_dict().Keys));

        // Without gradients and with running statistics.
        var (predicted, wanted) = (kernels.Predict(images), torchs.Predict(images));
        Assert.That(((predicted.AuxiliaryLogits - wanted.AuxiliaryLogits).norm() / wanted.AuxiliaryLogits.norm()).item<float>(), Is.LessThan(allowed));
        Assert.That(predicted.MainLogits.requires_grad, Is.False);
    }

    [Test]
    public void gradients_of_several_passes_add_up_and_parameters_get_their_own()
    {
        using var normalisation = new DualBranchBatchNorm2d(5, Device);
        var input = Image(true);
        var parameters = normalisation.named_parameters(recurse: false).Select(entry => entry.parameter).ToArray();
        KernelGradients.Backward(normalisation.forward(input, Branch.Main).square().sum());
        Tensor[] once = [.. parameters.Select(parameter => parameter.grad!.clone())];
        KernelGradients.Backward(normalisation.forward(input, Branch.Main).square().sum());
        Assert.That(Differences(parameters.Select(parameter => parameter.grad!), once.Select(gradient => 2 * gradient)), Is.All.Zero);
        Assert.That(once.Select(gradient => gradient.abs().sum().item<float>()), Is.All.GreaterThan(0));
    }

    [Test]
    public void batches_are_counted_by_the_host_until_somebody_looks()
    {
        using var normalisation = new DualBranchBatchNorm2d(5, Device);
        normalisation.forward(Image(true), Branch.Main);
        normalisation.forward(Image(true), Branch.Main);
        Assert.That(normalisation.state_dict()["num_batches_tracked"].item<long>(), Is.EqualTo(2));
        normalisation.forward(Image(true), Branch.Main);
        normalisation.forward(Image(true), Branch.Auxiliary);
        Assert.That(normalisation.buffers().Where(buffer => buffer.dtype == ScalarType.Int64).Select(buffer => buffer.item<long>()), Is.EqualTo((long[])[3, 1]));
    }

    [Test]
    public void a_channel_with_one_value_is_refused_in_training()
    {
        using var normalisation = new DualBranchBatchNorm2d(5, Device);
        Assert.That(() => normalisation.forward(ones(1, 5, 1, 1), Branch.Main), Throws.ArgumentException.With.Message.Contains("training needs at least 2"));
    }

    [Test]
    public void a_step_leaves_no_tensor_behind()
    {
        using var normalisation = new DualBranchBatchNorm2d(5, Device);
        var (input, residual) = (Image(true), Image(true));
        Step();
        var before = Tensor.TotalCount;
        for (var step = 0; step < 3; step++)
        {
            Step();
        }

        Assert.That(Tensor.TotalCount, Is.AtMost(before));

        void Step()
        {
            using var scope = NewDisposeScope();
            KernelGradients.Backward(normalisation.forward(input, Branch.Main, BatchNormActivation.AddAndRectify, residual).sum());
        }
    }

    private static Tensor[] Gradients(DualBranchNetwork model, Tensor images)
    {
        var trained = model.MakeTrainable(TrainableParameters.All, Branch.Main);
        var output = model.forward(images, Branch.Main);
        KernelGradients.Backward(output.Logits.square().sum() + output.Projection[.., 0].sum());
        return [output.Logits, .. trained.Select(entry => entry.Parameter.grad!), .. model.buffers().Select(buffer => buffer.to(float32))];
    }

    private static Tensor Image(bool channelsLast)
    {
        var image = randn(4, 5, 2, 3) + 0.5;
        return channelsLast ? ChannelsLast.Of(image) : image;
    }

    private static (DualBranchBatchNorm2d Ours, DualBranchBatchNorm2d Torchs) Pair(bool training)
    {
        var (ours, torchs) = (new DualBranchBatchNorm2d(5, Device), new DualBranchBatchNorm2d(5));
        using (no_grad())
        {
            ours.state_dict()["weight"].copy_(randn(5));
            ours.state_dict()["bias"].copy_(randn(5));
        }

        torchs.load_state_dict(ours.state_dict());
        ours.train(training);
        torchs.train(training);
        return (ours, torchs);
    }

    // Output and gradients of input, residual, weight and bias.
    private static Tensor[] Run(DualBranchBatchNorm2d normalisation, Tensor input, Tensor residual, Tensor slope, BatchNormActivation activation)
    {
        var (image, added) = (input.detach().requires_grad_(), residual.detach().requires_grad_());
        var output = normalisation.forward(image, Branch.Main, activation, activation == BatchNormActivation.AddAndRectify ? added : null);
        KernelGradients.Backward((output * slope).sum());
        var parameters = normalisation.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        return [output, image.grad!, added.grad ?? zeros_like(added), parameters["weight"].grad!, parameters["bias"].grad!];
    }

    private static IEnumerable<double> Differences(IEnumerable<Tensor> actual, IEnumerable<Tensor> expected) =>
        actual.Zip(expected, (left, right) => (left.to(float64) - right.to(float64)).abs().max().item<double>());

    // How many values are further from torch's than a rounding to the stored type, of a number that float32 sums make, can take them.
    private static long Refused(Tensor actual, Tensor expected, double storage)
    {
        var rounding = actual.dtype == float32 ? 0 : storage;
        var allowed = (expected.to(float64).abs() * rounding) + (SingleError * (1 + rounding));
        return ((actual.to(float64) - expected.to(float64)).abs() > allowed).sum().item<long>();
    }

    private static Tensor[] State(DualBranchBatchNorm2d normalisation) => [.. normalisation.state_dict().Values];
}
