namespace Pascl.Kernels;

/// <summary>
/// BatchNorm of in-distribution images and outliers in double precision, written as the equations are: the specification of every other implementation.
/// </summary>
/// <remarks>
/// Per channel, over the n values x of a set of images:
/// <code>
/// mean     = 1/n sum x                  variance = 1/n sum (x - mean)^2
/// running  = (1 - momentum) running + momentum batch                 with n / (n - 1) variance
/// z        = (x - mean) / sqrt(variance + epsilon) * weight + bias
/// y        = z, max(0, z) or max(0, z + residual)
/// </code>
/// and with g = dL/dy where y > 0 or nothing is rectified, else 0, and d = sqrt(variance + epsilon):
/// <code>
/// dL/dbias     = sum g                  dL/dweight = sum g (x - mean) / d                 dL/dresidual = g
/// dL/dx        = weight / d (g - 1/n dL/dbias - (x - mean) / d 1/n dL/dweight)           without the last two terms where the statistics are constants
/// </code>
/// Source: Ioffe, Szegedy, Batch Normalization, 2015; two sets of statistics: Wang et al., ICML 2022.
/// </remarks>
public static class DualBatchNormReference
{
    /// <summary>Mean and variance per channel of some images of a batch, and how many values a channel has; zeros where there is no image.</summary>
    public static (double[] Mean, double[] Variance, long Count) Moments(ReadOnlySpan<double> input, BatchShape shape, int firstImage, int images)
    {
        var (mean, variance) = (new double[shape.Channels], new double[shape.Channels]);
        var count = (long)images * shape.Pixels;
        for (var channel = 0; channel < shape.Channels && count > 0; channel++)
        {
            for (var image = firstImage; image < firstImage + images; image++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    mean[channel] += input[(int)shape.Index(image, channel, pixel)] / count;
                }
            }

            for (var image = firstImage; image < firstImage + images; image++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    variance[channel] += Math.Pow(input[(int)shape.Index(image, channel, pixel)] - mean[channel], 2) / count;
                }
            }
        }

        return (mean, variance, count);
    }

    /// <summary>Running statistics after a batch.</summary>
    public static (double[] Mean, double[] Variance) Track(
        (double[] Mean, double[] Variance) running, (double[] Mean, double[] Variance, long Count) batch, double momentum) => (
            [.. running.Mean.Zip(batch.Mean, (old, mean) => ((1 - momentum) * old) + (momentum * mean))],
            [.. running.Variance.Zip(batch.Variance, (old, variance) => ((1 - momentum) * old) + (momentum * variance * batch.Count / (batch.Count - 1)))]);

    /// <summary>y.</summary>
    public static double[] Normalize(
        ReadOnlySpan<double> input,
        BatchShape shape,
        (double[] Mean, double[] Variance) statistics,
        (double[] Weight, double[] Bias) parameters,
        double epsilon,
        BatchNormActivation activation = BatchNormActivation.None,
        ReadOnlySpan<double> residual = default)
    {
        var output = new double[input.Length];
        for (var channel = 0; channel < shape.Channels; channel++)
        {
            var deviation = Math.Sqrt(statistics.Variance[channel] + epsilon);
            for (var image = 0; image < shape.Images; image++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    var i = (int)shape.Index(image, channel, pixel);
                    var value = ((input[i] - statistics.Mean[channel]) / deviation * parameters.Weight[channel]) + parameters.Bias[channel];
                    var sum = activation == BatchNormActivation.AddAndRectify ? value + residual[i] : value;
                    output[i] = activation == BatchNormActivation.None ? sum : Math.Max(0, sum);
                }
            }
        }

        return output;
    }

    /// <summary>dL/dx, dL/dweight, dL/dbias and g, which is dL/dresidual.</summary>
    public static (double[] Input, double[] Weight, double[] Bias, double[] Residual) Backward(
        ReadOnlySpan<double> input,
        ReadOnlySpan<double> output,
        ReadOnlySpan<double> outputGradient,
        BatchShape shape,
        (double[] Mean, double[] Variance) statistics,
        (double[] Weight, double[] Bias) parameters,
        double epsilon,
        BatchNormActivation activation = BatchNormActivation.None,
        bool statisticsAreConstant = false)
    {
        var gradients = (Input: new double[input.Length],
            Weight: new double[shape.Channels], Bias: new double[shape.Channels], Residual: new double[input.Length]);
        var share = statisticsAreConstant ? 0 : 1.0 / shape.ValuesPerChannel;
        for (var channel = 0; channel < shape.Channels; channel++)
        {
            var deviation = Math.Sqrt(statistics.Variance[channel] + epsilon);
            for (var image = 0; image < shape.Images; image++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    var i = (int)shape.Index(image, channel, pixel);
                    gradients.Residual[i] = activation == BatchNormActivation.None || output[i] > 0 ? outputGradient[i] : 0;
                    gradients.Bias[channel] += gradients.Residual[i];
                    gradients.Weight[channel] += gradients.Residual[i] * (input[i] - statistics.Mean[channel]) / deviation;
                }
            }

            for (var image = 0; image < shape.Images; image++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    var i = (int)shape.Index(image, channel, pixel);
                    var normalized = (input[i] - statistics.Mean[channel]) / deviation;
                    gradients.Input[i] = parameters.Weight[channel] / deviation
                        * (gradients.Residual[i] - (share * gradients.Bias[channel]) - (normalized * share * gradients.Weight[channel]));
                }
            }
        }

        return gradients;
    }
}
