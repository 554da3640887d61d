namespace Pascl.Training.Golden;

/// <summary>Measures of disagreement between numbers and their golden values.</summary>
internal static class Difference
{
    /// <summary>|actual - expected| / |expected|; the absolute difference where the expected value is 0.</summary>
    public static double Relative(double actual, double expected) => Math.Abs(actual - expected) / (expected == 0 ? 1 : Math.Abs(expected));

    /// <summary>The L2 norm of the difference divided by that of the expected values.</summary>
    public static double RelativeNorm(IReadOnlyList<double> actual, IReadOnlyList<double> expected)
    {
        if (actual.Count != expected.Count)
        {
            throw new ArgumentException($"There are {actual.Count} values to compare with {expected.Count}.");
        }

        return Norm(actual.Zip(expected, (a, e) => a - e)) / Norm(expected);
    }

    /// <summary>The square root of the sum of squares.</summary>
    public static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    /// <summary>The sum of products.</summary>
    public static double Dot(IEnumerable<double> left, IEnumerable<double> right) => left.Zip(right, (l, r) => l * r).Sum();
}
