namespace Pascl.Training.Data;

/// <summary>Convolution of an array with a normal density along each of its axes.</summary>
internal static class GaussianBlur
{
    private const double Truncation = 4;

    /// <summary>
    /// The weights are exp(-x^2 / (2 deviation^2)) at whole distances x up to 4 deviations, with sum 1; beyond an edge the values are those at the edge
    /// (SciPy's <c>gaussian_filter</c> with <c>mode="nearest"</c>).
    /// </summary>
    /// <param name="values">Row-major values.</param>
    /// <param name="shape">Lengths of the axes.</param>
    /// <param name="deviation">Standard deviation, the same along every axis.</param>
    public static float[] Apply(float[] values, ReadOnlySpan<int> shape, double deviation)
    {
        var radius = (int)((Truncation * deviation) + 0.5);
        var weights = Enumerable.Range(-radius, (2 * radius) + 1).Select(x => Math.Exp(-x * x / (2 * deviation * deviation))).ToArray();
        var sum = weights.Sum();
        weights = [.. weights.Select(weight => weight / sum)];
        var stride = values.Length;
        foreach (var length in shape)
        {
            stride /= length;
            values = AlongAxis(values, length, stride, weights, radius);
        }

        return values;
    }

    private static float[] AlongAxis(float[] values, int length, int stride, double[] weights, int radius)
    {
        var blurred = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var place = i / stride % length;
            var start = i - (place * stride);
            var sum = 0.0;
            for (var k = 0; k < weights.Length; k++)
            {
                sum += weights[k] * values[start + (Math.Clamp(place + k - radius, 0, length - 1) * stride)];
            }

            blurred[i] = (float)sum;
        }

        return blurred;
    }
}
