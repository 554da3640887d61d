namespace Pascl.Training.Golden;

/// <summary>The generators from which every input of the golden files is rebuilt.</summary>
public static class GoldenInputs
{
    /// <summary>The linear congruential sequence x &lt;- (1664525 x + 1013904223) mod 2^32, as x / 2^32 - 0.5.</summary>
    public static double[] Sequence(uint seed, int count)
    {
        var values = new double[count];
        var state = seed;
        for (var i = 0; i < count; i++)
        {
            state = unchecked((1664525u * state) + 1013904223u);
            values[i] = (state / 4294967296.0) - 0.5;
        }

        return values;
    }

    /// <summary>Rows of unit length in double, rounded to float: (count, width) row-major.</summary>
    public static float[] Features(uint seed, int count, int width)
    {
        var values = Sequence(seed, count * width);
        var rounded = new float[values.Length];
        for (var row = 0; row < count; row++)
        {
            var slice = values.AsSpan(row * width, width);
            var norm = 0.0;
            foreach (var value in slice)
            {
                norm += value * value;
            }

            for (var i = 0; i < width; i++)
            {
                rounded[(row * width) + i] = (float)(slice[i] / Math.Sqrt(norm));
            }
        }

        return rounded;
    }
}
