namespace Pascl.Tests.Kernels;

/// <summary>The only place of tolerances for kernels. Each is a bound from rounding analysis, relative to a scale that the test names.</summary>
internal static class Tolerance
{
    /// <summary>Unit roundoff of float64.</summary>
    public const double Double = 1.0 / (1L << 53);

    /// <summary>Unit roundoff of float32: a correctly rounded operation is wrong by at most this factor.</summary>
    public const double Single = 1.0 / (1 << 24);

    /// <summary>Unit roundoff of float16.</summary>
    public const double Half = 1.0 / (1 << 11);

    /// <summary>Unit roundoff of bfloat16.</summary>
    public const double BFloat16 = 1.0 / (1 << 8);

    // The smallest normal float stands for results that vanish: the GPU's fast functions flush what is below it.
    private const double Smallest = 1.2e-38;

    /// <summary>
    /// Error of a sum or inner product in any order, relative to the sum of the terms' absolute values: n u / (1 - n u).
    /// Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, equation 3.5 (products) with 4.4 (sums).
    /// </summary>
    /// <param name="unit">Unit roundoff of the arithmetic.</param>
    /// <param name="terms">Roundings that a term can pass through: terms of the sum, and one for each factor it is multiplied by.</param>
    public static double Sum(double unit, long terms) => terms * unit / (1 - (terms * unit));

    /// <summary>
    /// Relative error of exp(x), computed as 2^(x log2 e): the argument's two roundings, times |x|, and 2^-22.5 of the GPU's ex2.approx, which is three float32
    /// roundoffs. Source of the latter: PTX ISA, ex2.
    /// </summary>
    /// <param name="unit">Unit roundoff of the arithmetic.</param>
    /// <param name="largest">The largest |x|.</param>
    public static double Exponential(double unit, double largest) => ((2 * largest) + 3) * unit;

    /// <summary>
    /// Absolute error of ln(x), computed as log2(x) ln 2: two roundings of the result and 2^-22 of the GPU's lg2.approx, which is four float32 roundoffs.
    /// Source of the latter: PTX ISA, lg2.
    /// </summary>
    /// <param name="unit">Unit roundoff of the arithmetic.</param>
    /// <param name="largest">The largest |ln(x)|.</param>
    public static double Logarithm(double unit, double largest) => ((2 * largest) + 4) * unit;

    /// <summary>
    /// Absolute error of log sum_j exp(s_j) - mean of some s_j, and of the logarithm alone: of the exponentials of differences; of their sum, each term scaled
    /// anew at most once per term with three roundings; of the logarithm; of the mean; and of adding the maximum and subtracting.
    /// </summary>
    /// <param name="unit">Unit roundoff of the arithmetic.</param>
    /// <param name="terms">Number of s_j.</param>
    /// <param name="largest">The largest |s_j|.</param>
    public static double RowLoss(double unit, int terms, double largest)
    {
        var logarithm = Math.Log(Math.Max(1, terms));
        var sum = Exponential(unit, 2 * largest) + Sum(unit, 4L * terms);
        return sum + Logarithm(unit, logarithm) + (largest * Sum(unit, terms + 1L)) + (unit * ((4 * largest) + (2 * logarithm)));
    }

    /// <summary>Fails unless every value is within <paramref name="relative"/> times its own scale of what is expected.</summary>
    /// <param name="actual">What the kernel wrote.</param>
    /// <param name="expected">What the reference says.</param>
    /// <param name="scales">What the error is relative to, for each value: for a sum, the sum of its terms' absolute values.</param>
    /// <param name="relative">One of the bounds above, or a sum of them.</param>
    public static void AssertWithin(IReadOnlyList<float> actual, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative)
    {
        Assert.That(actual, Has.Count.EqualTo(expected.Count));
        for (var i = 0; i < expected.Count; i++)
        {
            if (!IsWithin(actual[i], expected[i], relative * scales[i]))
            {
                Assert.Fail($"Value {i} of {expected.Count} is {actual[i]:R} but must be {expected[i]:R} within {(relative * scales[i]) + Smallest:G3}.");
            }
        }
    }

    /// <summary>
    /// Fails unless every value is what a number within <paramref name="relative"/> times its scale of the expected one is rounded to. Rounding keeps order, so that
    /// the only error is that of the number before it.
    /// </summary>
    /// <param name="actual">What the kernel stored.</param>
    /// <param name="expected">What the reference says, not rounded.</param>
    /// <param name="scales">What the error before rounding is relative to, for each value.</param>
    /// <param name="relative">One of the bounds above, or a sum of them.</param>
    /// <param name="round">How the type that is stored rounds.</param>
    public static void AssertRounded(
        IReadOnlyList<float> actual, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative, Func<float, float> round)
    {
        Assert.That(actual, Has.Count.EqualTo(expected.Count));
        for (var i = 0; i < expected.Count; i++)
        {
            var allowed = (relative * scales[i]) + Smallest;
            var (least, most) = (round((float)(expected[i] - allowed)), round((float)(expected[i] + allowed)));
            if (!(actual[i] >= least && actual[i] <= most))
            {
                Assert.Fail($"Value {i} of {expected.Count} is {actual[i]:R} but must be {expected[i]:R} rounded, from {least:R} to {most:R}.");
            }
        }
    }

    /// <summary>Fails where the bounds are so wide that a wrong result would pass: nothing at all, or everything with the other sign.</summary>
    /// <param name="expected">What the reference says.</param>
    /// <param name="scales">What the error is relative to, for each value.</param>
    /// <param name="relative">One of the bounds above, or a sum of them.</param>
    public static void AssertRefusesNothingAndTheOpposite(IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative)
    {
        // Where terms cancel, a value may be smaller than their errors; few are. A value alone must be refused.
        var values = expected.Count(value => value != 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Refused(new double[expected.Count], expected, scales, relative), Is.AtLeast((int)Math.Ceiling(0.95 * values)), "zeros that are refused");
            Assert.That(Refused([.. expected.Select(value => -value)], expected, scales, relative), Is.AtLeast((int)Math.Ceiling(0.95 * values)), "opposites that are refused");
        }
    }

    /// <summary>How many values are not within their bounds.</summary>
    /// <param name="actual">The values.</param>
    /// <param name="expected">What the reference says.</param>
    /// <param name="scales">What the error is relative to, for each value.</param>
    /// <param name="relative">One of the bounds above, or a sum of them.</param>
    public static int Refused(IReadOnlyList<double> actual, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative) =>
        Enumerable.Range(0, expected.Count).Count(i => !IsWithin(actual[i], expected[i], relative * scales[i]));

    private static bool IsWithin(double actual, double expected, double allowed) =>
        Math.Abs(actual - expected) <= allowed + Smallest || (double.IsNaN(expected) && double.IsNaN(actual));
}
