using Pascl.Training.Devices;
using Pascl.Training.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

public sealed class ConvolutionTests
{
    // Ragged sizes, kernels of one and three, strides and groups.
    private static readonly ConvolutionShape[] Shapes =
    [
        new(3, 5, Kernel: 1),
        new(3, 5, Kernel: 1, Stride: 2),
        new(4, 6, Kernel: 3),
        new(5, 3, Kernel: 3, Stride: 2),
        new(6, 4, Kernel: 3, Stride: 2, Groups: 2),
        new(6, 6, Kernel: 1, Stride: 2, Groups: 3),
        new(7, 2, Kernel: 5),
        new(3, 4, Kernel: 7, Stride: 2),
    ];

    // The second is smaller than the kernels, as the last stages are for small images.
    private static readonly (long Height, long Width)[] Sizes = [(7, 5), (1, 1), (2, 1), (1, 4)];

    [Test]
    public void every_way_gives_torchs_convolution_and_gradients_in_double(
        [ValueSource(nameof(Shapes))] ConvolutionShape shape, [ValueSource(nameof(Sizes))] (long Height, long Width) size,
        [Values] ConvolutionWay way, [Values] bool channelsLast)
    {
        using var scope = NewDisposeScope();
        using var convolution = new Convolution(shape) { Way = way };
        convolution.to(float64);
        var input = Draw(2, shape.InputChannels, size.Height, size.Width);
        var gradient = Draw(2, shape.OutputChannels, shape.OutputSize(size.Height), shape.OutputSize(size.Width));
        var weights = Draw(convolution.Weight.shape);
        var (expected, ofInput, ofWeights) = Torchs(shape, input, weights, gradient);
        var (x, w) = (Laid(input).requires_grad_(), Laid(weights).requires_grad_());
        var output = convolution.Compute(way, x, w);
        output.backward([Laid(gradient)]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Largest(output - expected), Is.LessThan(1e-12));
            Assert.That(Largest(x.grad! - ofInput), Is.LessThan(1e-12));
            Assert.That(Largest(w.grad! - ofWeights), Is.LessThan(1e-12));
            Assert.That(!channelsLast || ChannelsLast.IsLayoutOf(output), "the layout is passed on");
        }

        Tensor Laid(Tensor tensor) => (channelsLast ? ChannelsLast.Of(tensor) : tensor).detach();
    }

    [Test]
    public void the_plain_loops_are_torchs_convolution_and_gradients_in_double(
        [ValueSource(nameof(Shapes))] ConvolutionShape shape, [ValueSource(nameof(Sizes))] (long Height, long Width) size)
    {
        using var scope = NewDisposeScope();
        var input = Draw(2, shape.InputChannels, size.Height, size.Width);
        var gradient = Draw(2, shape.OutputChannels, shape.OutputSize(size.Height), shape.OutputSize(size.Width));
        var weights = Draw(shape.OutputChannels, shape.InputChannels / shape.Groups, shape.Kernel, shape.Kernel);
        var (output, ofInput, ofWeights) = Torchs(shape, input, weights, gradient);
        var reference = new ConvolutionReference(shape, 2, size.Height, size.Width, ByChannel(input), Values(weights), ByChannel(gradient));
        using (Assert.EnterMultipleScope())
        {
            AssertEqual(All(output.numel(), reference.Output), output.permute(0, 2, 3, 1));
            AssertEqual(All(ofInput.numel(), reference.InputGradient), ofInput.permute(0, 2, 3, 1));
            AssertEqual(reference.WeightGradients([.. Enumerable.Range(0, (int)weights.numel()).Select(i => (long)i)]), ofWeights);
        }

        static double[] All(long count, Func<long, double> value) => [.. Enumerable.Range(0, (int)count).Select(i => value(i))];

        static void AssertEqual(double[] actual, Tensor expected) =>
            Assert.That(Largest(tensor(actual) - expected.contiguous().reshape(-1)), Is.LessThan(1e-12));
    }

    // So the check of a training batch holds for an evaluation of as many images. Channels of which native libraries are known to compute right: garbage has no fixed bits.
    [Test]
    public void outputs_have_the_same_bits_with_and_without_gradients(
        [Values(3, 16, 64)] int inputChannels, [Values(16, 32)] int outputChannels, [Values(1, 3)] int kernel, [Values(1, 2)] int stride, [Values(Precision.Float32, Precision.BFloat16)] Precision precision)
    {
        using var scope = NewDisposeScope();
        var shape = new ConvolutionShape(inputChannels, outputChannels, kernel, stride);
        using var convolution = new Convolution(shape);
        var weights = ChannelsLast.Of(Draw(shape.OutputChannels, shape.InputChannels / shape.Groups, shape.Kernel, shape.Kernel).to(float32));
        var input = ChannelsLast.Of(Draw(3, shape.InputChannels, 8, 8).to(precision == Precision.BFloat16 ? bfloat16 : float32));
        var trained = Compute(input.detach().requires_grad_(true), weights.detach().requires_grad_(true)).detach();
        using var frozen = no_grad();
        Assert.That(Compute(input, weights).eq(trained).all().item<bool>());

        Tensor Compute(Tensor from, Tensor by)
        {
            using (Autocast.Begin(TorchSharp.DeviceType.CPU, precision))
            {
                return convolution.Compute(convolution.Way, from, by);
            }
        }
    }

    // The strided 1x1 primitive of oneDNN writes outside its memory on some processors, so it must never be reached.
    [Test]
    public void a_network_computes_no_strided_pointwise_convolution_by_libtorch([Values] ResNetDepth depth)
    {
        using var network = new DualBranchResNet(depth, ResNetStem.ImageNet, new NetworkSettings(new NetworkHead(3), Width: 2));
        var pointwise = network.Convolutions(32, 32).Select(place => place.Convolution).Where(convolution => convolution.Shape.Kernel == 1).ToLookup(convolution => convolution.Shape.Stride > 1);
        Assert.That(pointwise[true].ToArray(), Has.Length.EqualTo(3).And.All.Property(nameof(Convolution.Way)).EqualTo(ConvolutionWay.MatrixProduct));
        Assert.That(pointwise[false], Is.All.Property(nameof(Convolution.Way)).EqualTo(ConvolutionWay.Library));
    }

    [TestCase(32, 32)]
    [TestCase(33, 17)]
    [TestCase(9, 1)]
    public void the_sizes_of_a_networks_inputs_are_those_that_its_convolutions_see(int height, int width)
    {
        using var network = new DualBranchResNet(ResNetDepth.ResNet34, 3, width: 2);
        var seen = new List<(Convolution, long, long)>();
        foreach (var (convolution, _, _) in network.Convolutions(height, width))
        {
            var usual = convolution.Compute;
            convolution.Compute = (way, input, weights) =>
            {
                seen.Add((convolution, input.shape[2], input.shape[3]));
                return usual(way, input, weights);
            };
        }

        using var scope = NewDisposeScope();
        network.forward(rand(2, 3, height, width), Branch.Main);
        Assert.That(seen, Is.EquivalentTo(network.Convolutions(height, width)));
    }

    [Test]
    public void a_convolution_outlives_the_dispose_scope_that_it_was_made_in()
    {
        using var scope = NewDisposeScope();
        Convolution convolution;
        using (NewDisposeScope())
        {
            convolution = new Convolution(Shapes[0]);
        }

        Assert.That(convolution.forward(rand(1, 3, 2, 2)).shape, Is.EqualTo([1, 5, 2, 2]));
        convolution.Dispose();
    }

    private static (Tensor Output, Tensor InputGradient, Tensor WeightGradient) Torchs(ConvolutionShape shape, Tensor input, Tensor weights, Tensor gradient)
    {
        var (x, w) = (input.detach().requires_grad_(), weights.detach().requires_grad_());
        var output = nn.functional.conv2d(x, w, strides: [shape.Stride, shape.Stride], padding: [shape.Padding, shape.Padding], groups: shape.Groups);
        output.backward([gradient]);
        return (output.detach(), x.grad!, w.grad!);
    }

    // Values that float32 holds exactly, so that double precision is the only rounding.
    private static Tensor Draw(params long[] shape)
    {
        using var random = new Generator(1);
        return rand(shape, generator: random).sub(0.5).to(float64);
    }

    private static float[] ByChannel(Tensor images) => Values(images.permute(0, 2, 3, 1));

    private static float[] Values(Tensor values) => values.contiguous().to(float32).data<float>().ToArray();

    private static double Largest(Tensor difference) => difference.detach().abs().max().item<double>();
}

public sealed class ChannelsLastTests
{
    [TestCase(2, 3, 4, 5)]
    [TestCase(1, 3, 1, 1)]
    [TestCase(2, 1, 3, 3)]
    public void values_stay_and_channels_become_neighbours(long images, long channels, long height, long width)
    {
        using var scope = NewDisposeScope();
        var tensor = arange(images * channels * height * width, float32).reshape(images, channels, height, width);
        var moved = ChannelsLast.Of(tensor);
        Assert.Multiple(() =>
        {
            Assert.That(moved.eq(tensor).all().item<bool>());
            Assert.That(moved.permute(0, 2, 3, 1).is_contiguous());
        });
    }

    [Test]
    public void a_tensor_that_is_channels_last_is_not_copied()
    {
        using var scope = NewDisposeScope();
        var moved = ChannelsLast.Of(zeros(2, 3, 4, 4));
        ChannelsLast.Of(moved).fill_(1);
        Assert.That(moved.min().item<float>(), Is.EqualTo(1));
    }

    [Test]
    public void converted_weights_are_the_same_parameters_and_receive_gradients()
    {
        using var scope = NewDisposeScope();
        using var convolution = nn.Conv2d(3, 8, 3);
        var weight = convolution.weight!;
        var values = weight.clone();
        ChannelsLast.Convert(convolution);
        convolution.forward(ChannelsLast.Of(rand(2, 3, 8, 8))).sum().backward();
        Assert.Multiple(() =>
        {
            Assert.That(convolution.weight, Is.SameAs(weight));
            Assert.That(weight.eq(values).all().item<bool>());
            Assert.That(weight.permute(0, 2, 3, 1).is_contiguous());
            Assert.That(weight.grad!.abs().sum().item<float>(), Is.Positive);
        });
    }
}
