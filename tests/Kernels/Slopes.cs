namespace Pascl.Tests.Kernels;

/// <summary>Gradients by central differences in double, which references are checked with.</summary>
internal static class Slopes
{
    /// <summary>
    /// The error of a slope of a function of order 1 whose third derivative is of order 10 at most: step^2 / 6 of truncation and 1e-16 / step of rounding, each
    /// with room for sums of such functions.
    /// </summary>
    public const double Error = 1e-8;

    private const double Step = 1e-5;

    public static double[] Of(Func<double[], double> function, double[] at) =>
        [.. at.Select((_, i) => (Shifted(function, at, i, Step) - Shifted(function, at, i, -Step)) / (2 * Step))];

    private static double Shifted(Func<double[], double> function, double[] at, int index, double by)
    {
        double[] shifted = [.. at];
        shifted[index] += by;
        return function(shifted);
    }
}
