using System.Globalization;
using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Golden;

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
