using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Training.Reporting.Verification;

/// <summary>What runs of one recipe come to: the mean and the standard deviation of each of <see cref="RunNumbers"/> over several seeds.</summary>
public sealed record Expectations
{
    private const int CurrentLayout = 1;
    private const string ResourcePrefix = "expectations/";

    /// <summary>The layout of the file; another is refused.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>Version and commit of the program that trained the first of the runs.</summary>
    public required string Pascl { get; init; }

    /// <summary>The seeds that were measured.</summary>
    public required int[] Seeds { get; init; }

    /// <summary>The recipe of the runs without seed, places and machine.</summary>
    public required JsonElement Recipe { get; init; }

    /// <summary>By number: mean, and standard deviation of the sample (divisor n - 1).</summary>
    public required OrderedDictionary<string, double[]> Numbers { get; init; }

    /// <summary>How many seeds there are, n.</summary>
    [JsonIgnore]
    public int Count => Seeds.Length;

    /// <summary>Measures finished runs that differ by their seeds alone.</summary>
    /// <exception cref="InputException">They are fewer than two, or of several recipes, or not finished.</exception>
    internal static Expectations Of(IReadOnlyList<string> folders)
    {
        if (folders.Count < 2)
        {
            throw new InputException("Expectations need the runs of at least two seeds; three are better.");
        }

        var methods = ComparedMethod.Group([.. folders.Select(ComparedRun.Read)]);
        if (methods.Count > 1)
        {
            throw new InputException(
                $"The runs have several recipes, {string.Join(" and ", methods.Select(method => method.Name))}; expectations are of one, with several seeds.");
        }

        var runs = methods[0].Runs;
        OrderedDictionary<string, double>[] numbers = [.. runs.Select(run => RunNumbers.Of(RunFolder.At(run.Folder)))];
        foreach (var (run, own) in runs.Zip(numbers))
        {
            if (!own.Keys.SequenceEqual(numbers[0].Keys))
            {
                throw new InputException(
                    $"{run.Folder} has other losses, layers or metrics than {runs[0].Folder}, so they have no mean; was one of them stopped early, or evaluated on other sets?");
            }
        }

        var provenance = RunFolder.At(runs[0].Folder).ReadProvenance();
        return new Expectations
        {
            Pascl = $"{provenance?.PasclVersion ?? "unknown"} {provenance?.PasclCommit ?? "unknown"}",
            Seeds = [.. methods[0].Seeds],
            Recipe = JsonSerializer.Deserialize<JsonElement>(RecipeFile.Write(ComparedMethod.WithoutSeed(RecipeFile.Read(RunFolder.At(runs[0].Folder).Recipe)))),
            Numbers = new(numbers[0].Keys.Select(name =>
            {
                var summary = new Summary([.. numbers.Select(own => own[name])]);
                return KeyValuePair.Create(name, new[] { summary.Mean, summary.StandardDeviation });
            })),
        };
    }

    /// <summary>Those that come with a preset; null where it has none.</summary>
    internal static Expectations? OfPreset(string preset)
    {
        var name = $"{ResourcePrefix}{preset}.json";
        using var stream = typeof(Expectations).Assembly.GetManifestResourceStream(name);
        return stream is null ? null : JsonSerializer.Deserialize<Expectations>(stream, ReportJson.Options);
    }

    /// <summary>Reads a file that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">It is missing or something else.</exception>
    internal static Expectations Read(string path)
    {
        var read = ReportJson.Read<Expectations>(
            path, new("file of expectations", "a file of expectations", "seeds", "it has no numbers of several seeds.", CurrentLayout, "pascl verify RUN RUN RUN --write FILE"));
        return read is { Count: >= 2, Numbers.Count: > 0, Recipe.ValueKind: JsonValueKind.Object } && read.Numbers.Values.All(number => number is { Length: 2 })
            ? read
            : throw new InputException($"{path} is damaged: expectations have at least two seeds, a recipe, and two values, mean and standard deviation, for every number.");
    }

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <exception cref="InputException">It cannot be written.</exception>
    internal void Write(string path) => ReportJson.Write(path, this);

    /// <summary>Whether a run of a recipe on the built-in images is to come to these numbers.</summary>
    internal bool IsOf(Recipe recipe) =>
        recipe.Data is { InDistribution: null, Outliers: null, OutOfDistribution.Count: 0 } && Differences(recipe).Count == 0;

    /// <summary>The values in which a recipe is another one, as sentences have them.</summary>
    internal IReadOnlyList<string> Differences(Recipe recipe)
    {
        // Through the recipe, so that one of an earlier version has the names of this one.
        var expected = RecipeValues.Of(RecipeFile.Write(RecipeFile.Parse(Recipe.GetRawText(), "the recipe of the expectations")));
        var own = RecipeValues.Of(RecipeFile.Write(ComparedMethod.WithoutSeed(recipe)));
        return
        [
            .. expected.Keys.Union(own.Keys).Where(name => expected.GetValueOrDefault(name) != own.GetValueOrDefault(name))
                .Select(name => $"{name} is {own.GetValueOrDefault(name, "none")} instead of {expected.GetValueOrDefault(name, "none")}"),
        ];
    }

    /// <summary>Where the numbers come from, for sentences.</summary>
    internal string Origin => string.Create(CultureInfo.InvariantCulture, $"{Count} seeds ({string.Join(", ", Seeds)})");
}
