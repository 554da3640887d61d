using Pascl.Kernels;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

public sealed class DualBatchNormReferenceTests
{
    private const double Epsilon = 1e-5;
    private static readonly BatchShape Shape = new(3, 2, 4);
    private static readonly double[] Input = GoldenInputs.Sequence(1, 24);
    private static readonly double[] Residual = GoldenInputs.Sequence(2, 24);
    private static readonly double[] OutputGradient = GoldenInputs.Sequence(3, 24);
    private static readonly (double[] Weight, double[] Bias) Parameters = ([1.5, -0.5], [0.1, 0.2]);

    [Test]
    public void gradients_are_the_slopes_of_the_output([Values] BatchNormActivation activation, [Values] bool statisticsAreConstant)
    {
        var constants = Statistics(GoldenInputs.Sequence(4, 24));
        var statistics = statisticsAreConstant ? constants : Statistics(Input);
        var output = DualBatchNormReference.Normalize(Input, Shape, statistics, Parameters, Epsilon, activation, Residual);
        var gradients = DualBatchNormReference.Backward(Input, output, OutputGradient, Shape, statistics, Parameters,
            Epsilon, activation, statisticsAreConstant);

        // The error of central differences with a step of 1e-6: 1e-12 of truncation and 1e-10 of rounding, times the slopes' size of about 10.
        Assert.Multiple(() =>
        {
            Assert.That(gradients.Input, Is.EqualTo(Slopes(Input, input => Loss(input, Parameters, Residual))).Within(1e-8));
            Assert.That(gradients.Weight, Is.EqualTo(Slopes(Parameters.Weight, weight => Loss(Input, (weight, Parameters.Bias), Residual))).Within(1e-8));
            Assert.That(gradients.Bias, Is.EqualTo(Slopes(Parameters.Bias, bias => Loss(Input, (Parameters.Weight, bias), Residual))).Within(1e-8));
            if (activation == BatchNormActivation.AddAndRectify)
            {
                Assert.That(gradients.Residual, Is.EqualTo(Slopes(Residual, residual => Loss(Input, Parameters, residual))).Within(1e-8));
            }
        });

        double Loss(double[] input, (double[] Weight, double[] Bias) parameters, double[] residual) => DualBatchNormReference
            .Normalize(input, Shape, statisticsAreConstant ? constants : Statistics(input), parameters, Epsilon, activation, residual)
            .Zip(OutputGradient, (value, slope) => value * slope).Sum();
    }

    [Test]
    public void merged_moments_are_those_of_all_values()
    {
        var parts = Input.Select(value => new BatchMoments(1, (float)value, 0)).ToArray();
        var merged = BatchMoments.Merge(parts[..7].Aggregate(BatchMoments.Merge), parts[7..].Aggregate(BatchMoments.Merge));
        var (mean, variance, _) = DualBatchNormReference.Moments(Input, new(1, 1, 24), 0, 1);
        Assert.Multiple(() =>
        {
            Assert.That(merged.Count, Is.EqualTo(24));
            Assert.That(merged.Mean, Is.EqualTo(mean[0]).Within(Tolerance.Sum(Tolerance.Single, 24)));
            Assert.That(merged.Variance, Is.EqualTo(variance[0]).Within(Tolerance.Sum(Tolerance.Single, 24)));
            Assert.That(merged.UnbiasedVariance, Is.EqualTo(variance[0] * 24 / 23).Within(Tolerance.Sum(Tolerance.Single, 24)));
            Assert.That(BatchMoments.Merge(default, default), Is.EqualTo(default(BatchMoments)));
            Assert.That(BatchMoments.Merge(merged, default), Is.EqualTo(merged));
        });
    }

    private static (double[] Mean, double[] Variance) Statistics(double[] input)
    {
        var (mean, variance, _) = DualBatchNormReference.Moments(input, Shape, 0, Shape.Images);
        return (mean, variance);
    }

    private static double[] Slopes(double[] at, Func<double[], double> function)
    {
        const double Step = 1e-6;
        return [.. at.Select((_, i) => (function(Shifted(i, Step)) - function(Shifted(i, -Step))) / (2 * Step))];

        double[] Shifted(int index, double by)
        {
            double[] shifted = [.. at];
            shifted[index] += by;
            return shifted;
        }
    }
}
