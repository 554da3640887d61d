using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

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
