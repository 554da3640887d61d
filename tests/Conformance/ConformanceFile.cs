using System.Text.Json;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Conformance;

/// <summary>One family of the published cases, <c>conformance/NAME.json</c>.</summary>
internal sealed class ConformanceFile
{
    private readonly JsonElement root;

    private ConformanceFile(JsonElement root) => this.root = root;

    public static string Folder => Path.Combine(Repository.Root, "conformance");

    /// <summary>Reads a family.</summary>
    public static ConformanceFile Read(string family)
    {
        var file = new ConformanceFile(JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, $"{family}.json"))).RootElement);
        Assert.That(file.root.GetProperty("format").GetInt32(), Is.EqualTo(1));
        return file;
    }

    /// <summary>A test for every case, with the case's name.</summary>
    public static IEnumerable<TestCaseData> Tests(string family) =>
        Read(family).Cases.Select(@case => new TestCaseData(@case).SetArgDisplayNames($"{@case.Quantity}: {@case.Name}"));

    public IEnumerable<ConformanceCase> Cases => root.GetProperty("cases").EnumerateArray().Select(element => new ConformanceCase(
        element.GetProperty("name").GetString()!,
        element.GetProperty("quantity").GetString()!,
        element.TryGetProperty("parameters", out var parameters) ? parameters.EnumerateObject().ToDictionary(p => p.Name, p => p.Value) : [],
        Inputs(element),
        element.GetProperty("expected"),
        root.GetProperty("tolerances").GetProperty(element.GetProperty("tolerance").GetString()!)));

    private Dictionary<string, JsonElement> Inputs(JsonElement element)
    {
        var inputs = element.TryGetProperty("setup", out var setup)
            ? root.GetProperty("setups").GetProperty(setup.GetString()!).EnumerateObject().ToDictionary(input => input.Name, input => input.Value)
            : [];
        if (element.TryGetProperty("inputs", out var own))
        {
            foreach (var input in own.EnumerateObject())
            {
                inputs[input.Name] = input.Value;
            }
        }

        return inputs;
    }
}

/// <summary>A quantity, what it is computed from, and what it must come to.</summary>
internal sealed record ConformanceCase(
    string Name,
    string Quantity,
    Dictionary<string, JsonElement> Parameters,
    Dictionary<string, JsonElement> Inputs,
    JsonElement Expected,
    JsonElement Tolerance)
{
    public double Parameter(string name, double otherwise = double.NaN) => Parameters.TryGetValue(name, out var value) ? value.GetDouble() : otherwise;

    public bool Has(string input) => Inputs.ContainsKey(input);

    /// <summary>An input as numbers, row by row.</summary>
    public double[] Numbers(string input) => Matrix(input).Values;

    public float[] Floats(string input) => Array.ConvertAll(Numbers(input), value => (float)value);

    public int[] Integers(string input) => Array.ConvertAll(Numbers(input), value => (int)value);

    public bool[] Flags(string input) => Array.ConvertAll(Numbers(input), value => value != 0);

    /// <summary>An input as numbers, row by row, and the columns of a row.</summary>
    public (double[] Values, int Columns) Matrix(string input)
    {
        var given = Inputs[input];
        if (given.ValueKind == JsonValueKind.Object)
        {
            int[] shape = [.. given.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())];
            return (Sequence(given, shape.Aggregate(1, (product, size) => product * size)), shape[1..].Aggregate(1, (product, size) => product * size));
        }

        JsonElement[] rows = [.. given.EnumerateArray()];
        return rows.Length > 0 && rows[0].ValueKind == JsonValueKind.Array
            ? ([.. rows.SelectMany(row => row.EnumerateArray()).Select(value => value.GetDouble())], rows[0].GetArrayLength())
            : ([.. rows.Select(value => value.GetDouble())], 1);
    }

    /// <summary>Compares with what must come out; null stands for a number that is not defined.</summary>
    /// <param name="computed">What JSON makes the same of.</param>
    /// <param name="relative">The largest relative difference; null for that of the case.</param>
    /// <param name="absolute">The same of the absolute one.</param>
    public void Check(object computed, double? relative = null, double? absolute = null)
    {
        var tolerance = (relative ?? Tolerance.GetProperty("relative").GetDouble(), absolute ?? Tolerance.GetProperty("absolute").GetDouble());
        Assert.That(Deviations(Expected, JsonSerializer.SerializeToElement(computed, ReportJson.Options), tolerance, ""), Is.Empty);
    }

    private static double[] Sequence(JsonElement formula, int count)
    {
        var (state, bits) = (formula.GetProperty("lcg").GetUInt32(), formula.GetProperty("bits").GetInt32());
        var (shift, divisor) = (formula.GetProperty("shift").GetInt64(), formula.GetProperty("divisor").GetDouble());
        var values = new double[count];
        for (var i = 0; i < count; i++)
        {
            state = unchecked((1664525 * state) + 1013904223);
            values[i] = ((state >> (32 - bits)) + shift) / divisor;
        }

        return values;
    }

    private static IEnumerable<string> Deviations(JsonElement expected, JsonElement computed, (double Relative, double Absolute) tolerance, string path)
    {
        if (expected.ValueKind == JsonValueKind.Object)
        {
            string[] names = [.. expected.EnumerateObject().Select(property => property.Name)];
            string[] found = [.. computed.EnumerateObject().Select(property => property.Name)];
            return names.Order(StringComparer.Ordinal).SequenceEqual(found.Order(StringComparer.Ordinal))
                ? names.SelectMany(name => Deviations(expected.GetProperty(name), computed.GetProperty(name), tolerance, $"{path}/{name}"))
                : [$"{path} has {string.Join(", ", found)} instead of {string.Join(", ", names)}"];
        }

        double?[] left = [.. Flat(expected)], right = [.. Flat(computed)];
        if (left.Length != right.Length)
        {
            return [$"{path} has {right.Length} numbers instead of {left.Length}"];
        }

        var allowed = tolerance.Absolute + (tolerance.Relative * left.Select(value => Math.Abs(value ?? 0)).DefaultIfEmpty().Max());
        return left.Zip(right).Index()
            .Where(pair => !(pair.Item.First is { } one && pair.Item.Second is { } other ? Math.Abs(one - other) <= allowed : pair.Item.First == pair.Item.Second))
            .Select(pair => FormattableString.Invariant($"{path}[{pair.Index}] is {pair.Item.Second} instead of {pair.Item.First}, allowed {allowed:G2}"));
    }

    private static IEnumerable<double?> Flat(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Flat),
        JsonValueKind.Null => [null],
        _ => [value.GetDouble()],
    };
}
