using MathNet.Numerics.Distributions;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>What several runs say about a number.</summary>
/// <param name="Values">The number of each run.</param>
public sealed record Summary(double[] Values)
{
    /// <summary>Number of runs, n.</summary>
    public int Count => Values.Length;

    /// <summary>The mean.</summary>
    public double Mean => Values.Average();

    /// <summary>The sample's standard deviation, sqrt(sum (x - mean)^2 / (n - 1)); not a number for one run.</summary>
    public double StandardDeviation
    {
        get
        {
            var mean = Mean;
            return Count < 2 ? double.NaN : Math.Sqrt(Values.Sum(value => (value - mean) * (value - mean)) / (Count - 1));
        }
    }

    /// <summary>
    /// How far the 95 % confidence interval of the mean reaches to each side by Student's t, t(0.975, n - 1) sd / sqrt(n); not a number for
    /// one run.
    /// </summary>
    public double ConfidenceReach =>
        Count < 2 ? double.NaN : StudentT.InvCDF(0, 1, Count - 1, 0.975) * StandardDeviation / Math.Sqrt(Count);
}
