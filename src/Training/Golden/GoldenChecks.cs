using System.Text.Json;

namespace Pascl.Training.Golden;

/// <summary>Every comparison with golden files that this program can make.</summary>
public static class GoldenChecks
{
    private static readonly (string FileName, Func<string, IEnumerable<GoldenResult>> Check)[] Checks =
    [
        (LossGolden.FileName, LossGolden.Check),
        (MetricGolden.FileName, MetricGolden.Check),
        (ModelGolden.FileName, ModelGolden.Check),
        (TorchvisionGolden.FileName, TorchvisionGolden.Check),
    ];

    /// <summary>Checks each known file that is present in <paramref name="folder"/>, one result after the other as they are computed.</summary>
    /// <exception cref="InputException">No known file is present, or one cannot be read.</exception>
    public static IEnumerable<GoldenResult> Run(string folder)
    {
        var present = Checks.Where(check => File.Exists(Path.Combine(folder, check.FileName))).ToArray();
        return present.Length > 0
            ? present.SelectMany(check => check.Check(folder))
            : throw new InputException($"{folder} holds none of the golden files {string.Join(", ", Checks.Select(check => check.FileName))}.");
    }
}

internal static class GoldenFile
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectRequiredConstructorParameters = true };

    /// <summary>Reads a JSON file whose properties are those of <typeparamref name="T"/> in camel case.</summary>
    /// <exception cref="InputException">The file is missing, is not JSON, or lacks a property.</exception>
    public static T Read<T>(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllText(path), Options) ?? throw new JsonException("the file holds null");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"{path} is not a file of golden values: {exception.Message}", exception);
        }
    }
}

/// <summary>One comparison with a number computed by the authors' code.</summary>
/// <param name="Case">File and case, for example <c>losses/contrastive/one-sample loss</c>.</param>
/// <param name="Backend">What computed our number, and in which precision where there are several: <c>torch bfloat16</c>, <c>simulator float32</c>.</param>
/// <param name="Error">The difference, relative or absolute as the case says.</param>
/// <param name="AllowedError">The largest difference that passes.</param>
public sealed record GoldenResult(string Case, string Backend, double Error, double AllowedError)
{
    /// <summary>Whether the number agrees; an error that is not a number does not.</summary>
    public bool Passed => Error <= AllowedError;
}

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

    public static double Dot(IEnumerable<double> left, IEnumerable<double> right) => left.Zip(right, (l, r) => l * r).Sum();
}

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
