using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

/// <summary>
/// What the rounding errors of BatchNorm are relative to: each formula with the absolute values of its terms, and with the error of the mean, which is relative
/// to the mean of |x|, wherever the mean is subtracted.
/// </summary>
internal sealed class BatchNormScales
{
    public BatchNormScales(
        double[] input, double[] gradient, BatchShape shape, (double[] Mean, double[] Variance) statistics, double[] weight, double[] bias, double[] residual)
    {
        (WeightGradient, BiasGradient) = (new double[shape.Channels], new double[shape.Channels]);
        (Output, InputGradient) = (new double[input.Length], new double[input.Length]);
        var (magnitudes, spreads) = Means(input, shape, statistics.Mean);

        foreach (var (i, channel) in Elements(shape))
        {
            var (distance, deviation, condition) = Local(i, channel);
            Output[i] = (Math.Abs(weight[channel]) * distance / deviation * condition) + Math.Abs(bias[channel]) + Math.Abs(residual[i]);
            BiasGradient[channel] += Math.Abs(gradient[i]);
            WeightGradient[channel] += Math.Abs(gradient[i]) * distance / deviation * condition;
        }

        foreach (var (i, channel) in Elements(shape))
        {
            var (distance, deviation, condition) = Local(i, channel);
            var means = (BiasGradient[channel] + (distance / deviation * WeightGradient[channel])) / shape.ValuesPerChannel;
            InputGradient[i] = Math.Abs(weight[channel]) / deviation * condition * (Math.Abs(gradient[i]) + means);
        }

        (double Distance, double Deviation, double Condition) Local(int i, int channel)
        {
            var variance = statistics.Variance[channel] + BatchNormRun<float, SingleElement>.Epsilon;
            var distance = Math.Abs(input[i]) + Math.Abs(input[i] - statistics.Mean[channel]) + magnitudes[channel];
            return (distance, Math.Sqrt(variance), 1 + (magnitudes[channel] * spreads[channel] / variance));
        }
    }

    public double[] Output { get; }

    public double[] WeightGradient { get; }

    public double[] BiasGradient { get; }

    public double[] InputGradient { get; }

    /// <summary>Of means, then of variances, of the first images of a batch.</summary>
    public static IEnumerable<double> OfMoments(double[] input, BatchShape shape, (double[] Mean, double[] Variance, long Count) moments)
    {
        var (magnitudes, spreads) = Means(input, shape with { Images = (int)(moments.Count / shape.Pixels) }, moments.Mean);
        return [.. magnitudes, .. moments.Variance.Select((variance, channel) => variance + (magnitudes[channel] * spreads[channel]))];
    }

    // The means of |x| and of |x - mean|.
    private static (double[] Magnitudes, double[] Spreads) Means(double[] input, BatchShape shape, double[] mean)
    {
        var (magnitudes, spreads) = (new double[shape.Channels], new double[shape.Channels]);
        foreach (var (i, channel) in Elements(shape))
        {
            magnitudes[channel] += Math.Abs(input[i]) / shape.ValuesPerChannel;
            spreads[channel] += Math.Abs(input[i] - mean[channel]) / shape.ValuesPerChannel;
        }

        return (magnitudes, spreads);
    }

    private static IEnumerable<(int Index, int Channel)> Elements(BatchShape shape)
    {
        for (var image = 0; image < shape.Images; image++)
        {
            for (var channel = 0; channel < shape.Channels; channel++)
            {
                for (var pixel = 0; pixel < shape.Pixels; pixel++)
                {
                    yield return ((int)shape.Index(image, channel, pixel), channel);
                }
            }
        }
    }
}
