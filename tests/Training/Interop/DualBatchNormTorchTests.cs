using Pascl.Kernels;
using Pascl.Training.Golden;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Interop;

public sealed class DualBatchNormTorchTests
{
    private const double Epsilon = 1e-5;
    private static readonly double[] Input = GoldenInputs.Sequence(1, 24);
    private static readonly double[] OutputGradient = GoldenInputs.Sequence(3, 24);
    private static readonly (double[] Weight, double[] Bias) Parameters = ([1.5, -0.5], [0.1, 0.2]);
    private static readonly (double[] Mean, double[] Variance) Running = ([0.3, -0.2], [0.5, 2.0]);

    [Test]
    public void the_reference_computes_what_torch_computes([Values] bool training, [Values] bool channelsLast)
    {
        using var scope = NewDisposeScope();
        var shape = new BatchShape(3, 2, 4, channelsLast);
        var input = Nchw(Input);
        var (mean, variance) = (tensor(Running.Mean), tensor(Running.Variance));
        var (weight, bias) = (tensor(Parameters.Weight, requires_grad: true), tensor(Parameters.Bias, requires_grad: true));
        var expected = nn.functional.batch_norm(input, mean, variance, weight, bias, training, 0.1, Epsilon);
        (expected * Nchw(OutputGradient)).sum().backward();

        var moments = DualBatchNormReference.Moments(Input, shape, 0, shape.Images);
        var statistics = training ? (moments.Mean, moments.Variance) : Running;
        var output = DualBatchNormReference.Normalize(Input, shape, statistics, Parameters, Epsilon);
        var gradients = DualBatchNormReference.Backward(Input, output, OutputGradient, shape, statistics, Parameters,
            Epsilon, statisticsAreConstant: !training);
        var tracked = training ? DualBatchNormReference.Track(Running, moments, 0.1) : Running;
        Assert.Multiple(() =>
        {
            // Double precision with sums of 12 terms.
            Assert.That(Values(Nchw(output)), Is.EqualTo(Values(expected)).Within(1e-14));
            Assert.That(Values(Nchw(gradients.Input)), Is.EqualTo(Values(input.grad!)).Within(1e-13));
            Assert.That(gradients.Weight, Is.EqualTo(Values(weight.grad!)).Within(1e-14));
            Assert.That(gradients.Bias, Is.EqualTo(Values(bias.grad!)).Within(1e-14));
            Assert.That(tracked.Mean, Is.EqualTo(Values(mean)).Within(1e-15));
            Assert.That(tracked.Variance, Is.EqualTo(Values(variance)).Within(1e-15));
        });

        Tensor Nchw(double[] values) => (channelsLast ? tensor(values).reshape(3, 2, 2, 2).permute(0, 3, 1, 2)
            : tensor(values).reshape(3, 2, 2, 2)).contiguous().requires_grad_();
    }

    private static double[] Values(Tensor tensor) => tensor.detach().contiguous().data<double>().ToArray();
}
