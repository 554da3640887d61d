namespace Pascl.Training.Data.Formats;

/// <summary>
/// Resizes a picture so that its shorter side has a given length and cuts the square in its centre. The filter is the cubic of R. Keys
/// (1981) with a = -1/2, widened by the reduction so that fine detail does not alias; weights near an edge are renormalised.
/// </summary>
internal static class Resampling
{
    private const double Radius = 2;

    /// <summary>Resizes <paramref name="source"/>, (height, width, 3), to <paramref name="target"/>, (size, size, 3).</summary>
    public static void ResizeAndCrop(ReadOnlySpan<byte> source, int width, int height, Span<byte> target, int size)
    {
        const int channels = PixelBlock.Channels;
        var shorter = Math.Min(width, height);
        var columns = Taps(width, shorter, size);
        var rows = Taps(height, shorter, size);
        var firstRow = rows[0].First;
        var wide = new float[(rows[^1].First + rows[^1].Weights.Length - firstRow) * size * channels]; // (rows read, size, 3)
        for (var (y, to) = (firstRow, 0); to < wide.Length; y++)
        {
            var line = source.Slice(y * width * channels, width * channels);
            foreach (var tap in columns)
            {
                for (var channel = 0; channel < channels; channel++, to++)
                {
                    for (var i = 0; i < tap.Weights.Length; i++)
                    {
                        wide[to] += tap.Weights[i] * line[((tap.First + i) * channels) + channel];
                    }
                }
            }
        }

        for (var y = 0; y < size; y++)
        {
            for (var x = 0; x < size * channels; x++)
            {
                var sum = 0f;
                for (var i = 0; i < rows[y].Weights.Length; i++)
                {
                    sum += rows[y].Weights[i] * wide[((rows[y].First - firstRow + i) * size * channels) + x];
                }

                target[(y * size * channels) + x] = (byte)Math.Clamp(sum + 0.5f, 0f, 255f);
            }
        }
    }

    /// <summary>The source positions and weights of each of the <paramref name="size"/> central outputs along one axis.</summary>
    private static Tap[] Taps(int length, int shorter, int size)
    {
        var resized = (int)Math.Round((double)length * size / shorter);
        var scale = (double)length / resized;
        var stretch = Math.Max(scale, 1);
        var offset = (resized - size) / 2;
        var taps = new Tap[size];
        for (var output = 0; output < size; output++)
        {
            var centre = (output + offset + 0.5) * scale;
            var first = Math.Max(0, (int)Math.Floor(centre - (Radius * stretch)));
            var end = Math.Min(length, (int)Math.Ceiling(centre + (Radius * stretch)));
            var weights = new double[end - first];
            for (var i = 0; i < weights.Length; i++)
            {
                weights[i] = Cubic((first + i + 0.5 - centre) / stretch);
            }

            var sum = weights.Sum();
            taps[output] = new Tap(first, [.. weights.Select(weight => (float)(weight / sum))]);
        }

        return taps;
    }

    private static double Cubic(double distance)
    {
        var x = Math.Abs(distance);
        return x < 1 ? (((1.5 * x) - 2.5) * x * x) + 1 : x < Radius ? (((((-0.5 * x) + 2.5) * x) - 4) * x) + 2 : 0;
    }

    private readonly record struct Tap(int First, float[] Weights);
}
