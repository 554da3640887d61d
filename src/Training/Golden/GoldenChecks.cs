using System.Globalization;
using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;

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

/// <summary>
/// Compares the metrics with <c>metrics.json</c>: sections <c>ood</c>, <c>accuracy</c> and <c>profiles</c>, absolute errors in double.
/// </summary>
public static class MetricGolden
{
    /// <summary>Its name in the folder of golden files.</summary>
    public const string FileName = "metrics.json";

    private const double AllowedError = 1e-12;

    /// <summary>One result per number in the file of <paramref name="folder"/>; none when that file is not there.</summary>
    /// <exception cref="InputException">The file is not of the expected form.</exception>
    public static IEnumerable<GoldenResult> Check(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return [];
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            return
            [
                .. root.GetProperty("ood").EnumerateArray().SelectMany(CheckOod),
                .. root.GetProperty("accuracy").EnumerateArray().SelectMany(CheckAccuracy),
                .. root.GetProperty("profiles").EnumerateObject().Select(CheckProfile),
            ];
        }
        catch (Exception exception) when (IsMalformed(exception))
        {
            throw new InputException($"{path} is not a file of golden metrics: {exception.Message}", exception);
        }
    }

    private static bool IsMalformed(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException
            or FormatException or ArgumentException or IndexOutOfRangeException;

    private static IEnumerable<GoldenResult> CheckOod(JsonElement golden)
    {
        var name = $"metrics/ood/{golden.GetProperty("name").GetString()}";
        var seed = golden.GetProperty("seed").GetUInt32();
        var shift = golden.GetProperty("shift").GetDouble();
        var digits = golden.GetProperty("roundDigits") is { ValueKind: JsonValueKind.Number } element ? element.GetInt32() : (int?)null;
        var (outlierCount, inlierCount) = (golden.GetProperty("ood").GetInt32(), golden.GetProperty("id").GetInt32());
        double[] outliers = [.. GoldenInputs.Sequence(seed, outlierCount).Select(value => Rounded(value + shift, digits))];
        double[] inliers = [.. GoldenInputs.Sequence(seed + 1, inlierCount).Select(value => Rounded(value, digits))];

        var curve = RocCurve.From(outliers, inliers);
        var metrics = OodMetrics.Compute(curve);
        yield return Compare($"{name} auroc", metrics.Auroc, golden.GetProperty("auroc"));
        yield return Compare($"{name} aupr", metrics.AuprOut, golden.GetProperty("aupr"));
        yield return Compare($"{name} fpr95", metrics.Fpr95, golden.GetProperty("fpr95"));

        var corners = curve.WithoutCollinearPoints();
        var byRate = new (string Section, Func<double, RocPoint> Nearest)[]
        {
            ("atFpr", corners.NearestToFalsePositiveRate),
            ("atTpr", corners.NearestToTruePositiveRate),
        };
        foreach (var (section, nearest) in byRate)
        {
            foreach (var level in golden.GetProperty(section).EnumerateObject())
            {
                var point = nearest(double.Parse(level.Name, CultureInfo.InvariantCulture));
                yield return Compare($"{name} {section} {level.Name} threshold", point.Threshold, level.Value[0]);
                yield return Compare($"{name} {section} {level.Name} fpr", corners.FalsePositiveRate(point), level.Value[1]);
                yield return Compare($"{name} {section} {level.Name} tpr", corners.TruePositiveRate(point), level.Value[2]);
            }
        }
    }

    private static IEnumerable<GoldenResult> CheckAccuracy(JsonElement golden)
    {
        var name = $"metrics/accuracy/{golden.GetProperty("name").GetString()}";
        var seed = golden.GetProperty("seed").GetUInt32();
        var count = golden.GetProperty("n").GetInt32();
        var correctShare = golden.GetProperty("pCorrect").GetDouble();
        int[] trainingCounts = [.. golden.GetProperty("trainCounts").EnumerateArray().Select(element => element.GetInt32())];

        var labels = RandomClasses(seed, count, trainingCounts.Length);
        var chances = GoldenInputs.Sequence(seed + 1, count);
        var guesses = RandomClasses(seed + 2, count, trainingCounts.Length);
        int[] predictions = [.. Enumerable.Range(0, count).Select(i => chances[i] + 0.5 < correctShare ? labels[i] : guesses[i])];

        // The authors' numbers are by their rule for CIFAR-LT, which is the usual one for as many classes as the cases have: 10 and 100.
        var metrics = LongTailMetrics.Compute(labels, predictions, ShotGroups.From(trainingCounts, ShotGroups.UsualRule(trainingCounts.Length)));
        yield return Compare($"{name} acc", metrics.Accuracy.Overall, golden.GetProperty("acc"));
        yield return Compare($"{name} many", metrics.Accuracy.Many, golden.GetProperty("many"));
        yield return Compare($"{name} medium", metrics.Accuracy.Medium, golden.GetProperty("medium"));
        yield return Compare($"{name} few", metrics.Accuracy.Few, golden.GetProperty("few"));
        yield return Compare($"{name} macroF1", metrics.MacroF1, golden.GetProperty("macroF1"));
        var perClass = golden.GetProperty("perClass");
        for (var c = 0; c < trainingCounts.Length; c++)
        {
            yield return Compare($"{name} perClass {c}", metrics.PerClassAccuracy[c], perClass[c]);
        }
    }

    private static GoldenResult CheckProfile(JsonProperty golden)
    {
        // The name is classes x ratio, for example 100x0.01.
        var ratio = double.Parse(golden.Name.Split('x')[^1], CultureInfo.InvariantCulture);
        int[] theirs = [.. golden.Value.EnumerateArray().Select(element => element.GetInt32())];
        var ours = new LongTailProfile(LongTailShape.Exponential, ratio).Counts(theirs.Length, theirs[0]);
        return new($"metrics/profiles/{golden.Name}", "reference", ours.Zip(theirs, (a, b) => Math.Abs(a - b)).Max(), 0);
    }

    private static int[] RandomClasses(uint seed, int count, int classCount) =>
        [.. GoldenInputs.Sequence(seed, count).Select(value => (int)Math.Floor((value + 0.5) * classCount))];

    private static double Rounded(double value, int? digits) => digits is { } kept ? Math.Round(value, kept) : value;

    private static GoldenResult Compare(string name, double ours, JsonElement theirs) =>
        new(name, "reference", Math.Abs(ours - theirs.GetDouble()), AllowedError);
}
