using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

/// <summary>The check against convolutions that are wrong on purpose, because no processor is wrong in every way.</summary>
public sealed class ConvolutionCheckTests
{
    private const int Channels = 20; // one block of 16 and a tail
    private static readonly ConvolutionShape Shape = new(Channels, Channels, Kernel: 3);
    private static readonly ConvolutionUse Training = new("training", Images: 3, InputGradient: true, WeightGradient: true);

    [Test]
    public void both_ways_are_right_at_every_width_and_precision(
        [Values(3, 4, 8, 12, 16, 20, 24)] int width, [Values(Precision.Float32, Precision.BFloat16)] Precision precision, [Values] ConvolutionWay way)
    {
        if (way == ConvolutionWay.Library)
        {
            // What libtorch makes of them depends on the machine; what Pascl makes of libtorch does not.
            using var network = new DualBranchResNet(ResNetDepth.ResNet18, 3, width, precision: precision);
            ChannelsLast.Convert(network);
            ConvolutionCheck.Run(network, 16, 16, Training);
            Assert.That(ConvolutionCheck.Run(network, 16, 16, Training).Wrong, Is.Empty, "the second check sees the ways that the first one chose");
            return;
        }

        foreach (var shape in new ConvolutionShape[] { new(3, width, 3), new(width, 2 * width, 3, 2), new(width, 2 * width, 1, 2) })
        {
            using var convolution = new Convolution(shape) { Way = way };
            Assert.That(ConvolutionCheck.Measure(convolution, 9, 7, Training, precision).Passed, $"{shape}");
        }
    }

    [Test]
    public void one_wrong_channel_is_found_wherever_it_is([Values("output", "gradient of the input", "gradient of the weights")] string part, [Range(0, Channels - 1)] int channel)
    {
        using var convolution = Matrix(Shape);
        Spoil(convolution, part, channel, channel + 1);
        AssertOnlyWrong(part, ConvolutionCheck.Measure(convolution, 8, 8, Training, Precision.Float32));
    }

    [Test]
    public void a_wrong_last_block_is_found_in_every_direction_and_precision(
        [Values("output", "gradient of the input", "gradient of the weights")] string part, [Values(Precision.Float32, Precision.BFloat16)] Precision precision)
    {
        using var convolution = Matrix(Shape);
        Spoil(convolution, part, 16, Channels);
        AssertOnlyWrong(part, ConvolutionCheck.Measure(convolution, 8, 8, Training, precision));
    }

    // Of the weights' gradient the tile where the tails of both kinds of channels meet, and nothing else.
    [TestCase(16)]
    [TestCase(48)]
    public void a_wrong_corner_of_the_weights_is_found(int block)
    {
        var channels = block + 4;
        using var convolution = Matrix(new ConvolutionShape(channels, channels, Kernel: 3));
        var usual = convolution.Compute;
        convolution.Compute = (way, input, weights) => usual(way, input, WithoutGradient(weights, weights =>
        {
            var mask = ones_like(weights);
            mask.narrow(0, block, 4).narrow(1, block, 4).zero_();
            return mask;
        }));
        AssertOnlyWrong("gradient of the weights", ConvolutionCheck.Measure(convolution, 6, 6, Training, Precision.Float32));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void a_value_that_is_not_finite_in_the_second_call_alone_is_found_at_any_place(float value)
    {
        using var convolution = Matrix(Shape);
        var (usual, calls) = (convolution.Compute, 0);
        convolution.Compute = (way, input, weights) =>
        {
            var output = usual(way, input, weights);
            return ++calls == 2 ? output.index_put_(value, TensorIndex.Single(1), TensorIndex.Single(7), TensorIndex.Single(3), TensorIndex.Single(5)) : output;
        };
        var result = ConvolutionCheck.Measure(convolution, 8, 8, Training with { InputGradient = false, WeightGradient = false }, Precision.Float32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.Output.Error, Is.EqualTo(double.PositiveInfinity));
            Assert.That(ConvolutionReport.Describe(result), Is.EqualTo("output not a number"));
        }
    }

    [Test]
    public void what_a_run_does_not_need_is_neither_computed_nor_judged()
    {
        using var convolution = Matrix(Shape);
        Spoil(convolution, "gradient of the weights", 0, Channels);
        var result = ConvolutionCheck.Measure(convolution, 8, 8, Training with { WeightGradient = false }, Precision.Float32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.Passed);
            Assert.That(result.WeightGradient, Is.Null);
            Assert.That(result.InputGradient, Is.Not.Null);
        }
    }

    [Test]
    public void a_wrong_convolution_is_computed_another_way_and_named_and_the_others_stay()
    {
        using var network = new DualBranchResNet(ResNetDepth.ResNet18, 3, width: 4);
        ChannelsLast.Convert(network);
        var wrong = network.Convolutions(8, 8).Where(place => place.Convolution.Shape == new ConvolutionShape(8, 8, Kernel: 3)).Select(place => place.Convolution).ToArray();
        Array.ForEach(wrong, convolution => Spoil(convolution, "output", 4, 8, ConvolutionWay.Library));
        var report = ConvolutionCheck.Run(network, 8, 8, Training);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(wrong, Has.Length.EqualTo(3));
            Assert.That(wrong.Select(convolution => convolution.Way), Is.All.EqualTo(ConvolutionWay.MatrixProduct));
            Assert.That(report.Warning, Does.Contain("3x3, 8 to 8 channels (output off by "));
            Assert.That(report.Rows.Select(row => row.Name), Is.Unique);
            Assert.That(report.Rows.Where(row => row.Name.Contains("3x3, 8 to 8 channels,", StringComparison.Ordinal)).Select(row => row.Value.Split(':')[0]),
                Is.EqualTo(["WRONG, so it is not used", "right"]));
        }
    }

    [Test]
    public void a_convolution_that_is_wrong_in_every_way_ends_the_run_with_a_sentence()
    {
        using var network = new DualBranchResNet(ResNetDepth.ResNet18, 3, width: 2);
        Spoil(network.Convolutions(8, 8).First().Convolution, "output", 0, 2);
        Assert.That(
            () => ConvolutionCheck.Run(network, 8, 8, Training),
            Throws.TypeOf<InputException>().With.Message.Contains("3x3, 3 to 2 channels").And.Message.Contains("ONEDNN_MAX_CPU_ISA"));
    }

    // A network of three channels has two convolutions of one shape, and the images' own needs no gradient.
    [Test]
    public void a_batch_whose_values_another_use_computes_too_is_checked_once()
    {
        ConvolutionUse training = new("training", 3, InputGradient: true, WeightGradient: true), other = new("finetuning", 5, InputGradient: true);
        ConvolutionUse[] covered = [new("evaluation", 3), new("frozen", 3), new("again", 5, InputGradient: true)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ConvolutionUse.WithoutCovered([.. covered[..2], training, other, .. covered]), Is.EquivalentTo([training, other]));
            Assert.That(ConvolutionUse.WithoutCovered([new("a", 3, InputGradient: true), new("b", 3, WeightGradient: true), new("c", 4)]), Has.Length.EqualTo(3));
        }
    }

    [Test]
    public void every_use_of_every_distinct_convolution_is_checked_once([Values(3, 4)] int width)
    {
        using var network = new DualBranchResNet(ResNetDepth.ResNet18, 3, width);
        var report = ConvolutionCheck.Run(network, 8, 8, Training, new ConvolutionUse("evaluation", 2));
        var distinct = network.Convolutions(8, 8).Select(place => (place.Convolution.Shape, place.Height)).Distinct().Count();
        var first = report.Results.First(result => result.Shape.InputChannels == 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Results.Select(result => (result.Shape, result.Height, result.Use.Name, result.Way)).Distinct().Count(), Is.EqualTo(report.Results.Count));
            Assert.That(report.Results.Select(result => (result.Shape, result.Height)).Distinct().Count(), Is.EqualTo(distinct));
            Assert.That(report.Results.Count(result => result.Passed), Is.EqualTo(2 * distinct));
            Assert.That(first.InputGradient, width == 3 ? Is.Not.Null : Is.Null);
        }
    }

    private static Convolution Matrix(ConvolutionShape shape) => new(shape) { Way = ConvolutionWay.MatrixProduct };

    // Leaves out the channels from first to end: as values, or as gradients of channels of the input or of rows of the weights.
    private static void Spoil(Convolution convolution, string part, int first, int end, ConvolutionWay? only = null)
    {
        var usual = convolution.Compute;
        convolution.Compute = (way, input, weights) => only is { } spoilt && way != spoilt ? usual(way, input, weights) : part switch
        {
            "output" => WithoutValues(usual(way, input, weights)),
            "gradient of the input" => usual(way, WithoutGradient(input, tensor => Without(1, tensor)), weights),
            _ => usual(way, input, WithoutGradient(weights, tensor => Without(0, tensor))),
        };

        // The values are zero, and gradients flow as before.
        Tensor WithoutValues(Tensor output) => output - (output * (1 - Without(1, output))).detach();

        Tensor Without(int dimension, Tensor like)
        {
            var mask = ones_like(like.detach());
            mask.narrow(dimension, first, end - first).zero_();
            return mask;
        }
    }

    // The same values; gradients flow where the mask is 1.
    private static Tensor WithoutGradient(Tensor tensor, Func<Tensor, Tensor> mask) => (tensor * mask(tensor.detach())) + (tensor * (1 - mask(tensor.detach()))).detach();

    private static void AssertOnlyWrong(string part, ConvolutionResult result) =>
        Assert.That(result.Parts.Where(found => !found.Deviation.Passed).Select(found => found.Name), Is.EqualTo([part]));
}
