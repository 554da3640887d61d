namespace Pascl.Benchmarks.Measuring;

/// <summary>Nothing is timed whose result is wrong.</summary>
internal static class Agreement
{
    /// <summary>Throws where values differ from what they must be by more than a share, in the Euclidean norm.</summary>
    /// <param name="name">Whose result it is.</param>
    /// <param name="actual">The result.</param>
    /// <param name="expected">What it must be.</param>
    /// <param name="allowed">Relative difference.</param>
    /// <exception cref="InvalidOperationException">They differ, in length or in value.</exception>
    public static void Require(string name, ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, double allowed)
    {
        if (actual.Length != expected.Length)
        {
            throw new InvalidOperationException($"{name} has {actual.Length} values, but {expected.Length} are right; it is not timed.");
        }

        var (difference, norm) = (0.0, 0.0);
        for (var i = 0; i < actual.Length; i++)
        {
            difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            norm += expected[i] * expected[i];
        }

        var relative = Math.Sqrt(difference / Math.Max(norm, double.Epsilon));
        if (!(relative <= allowed))
        {
            throw new InvalidOperationException($"{name} is wrong by {relative:0.0e0} of its size, where {allowed:0.0e0} is allowed; it is not timed.");
        }
    }
}
