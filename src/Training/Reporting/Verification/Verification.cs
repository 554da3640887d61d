using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Training.Reporting.Verification;

/// <summary>A finished run beside <see cref="Expectations"/>.</summary>
/// <remarks>
/// The unit of a deviation is the largest of three: the number's own standard deviation over the seeds; the root mean square of those of its kind
/// (<see cref="RunNumbers.Kinds"/>), in proportion to the means where the kind varies so; and a thousandth of the mean. Three seeds that happen to agree have a standard
/// deviation near 0, tens of which any fourth seed is away; the many numbers of a kind together say better how far seeds are apart. The thousandth stands for rounding,
/// which the threads and the processor decide and training amplifies. A number deviates beyond <c>6 sqrt(1 + 1/n)</c> units: the mean of n seeds is itself uncertain
/// by 1/n of the variance, and of some 200 numbers of a good run the largest is between 2 and 6 units (docs/evaluation.md).
/// </remarks>
internal sealed class Verification
{
    private const double Units = 6;
    private const double Rounding = 1e-3;

    private readonly Expectations expected;

    private Verification(Expectations expected, IReadOnlyList<Deviation> all) => (this.expected, All) = (expected, all);

    /// <summary>Every expected number in the order of training.</summary>
    public IReadOnlyList<Deviation> All { get; }

    /// <summary>Those beyond the limit, in the order of training.</summary>
    public IEnumerable<Deviation> Beyond => All.Where(number => !(number.Units <= Limit));

    /// <summary>Whether every number is as expected.</summary>
    public bool Passed => !Beyond.Any();

    /// <summary>Standard deviations that a number may be away.</summary>
    public double Limit => Units * Math.Sqrt(1 + (1.0 / expected.Count));

    /// <summary>Compares the numbers of a run.</summary>
    public static Verification Of(IReadOnlyDictionary<string, double> run, Expectations expected)
    {
        var kinds = RunNumbers.Kinds(expected.Numbers.Keys);
        var typical = kinds.Values.Distinct().ToDictionary(kind => kind, kind => Math.Sqrt(expected.Numbers.Where(number => RunNumbers.IsOf(number.Key, kind))
            .Select(number => Math.Pow(number.Value[1] / Size(number.Value[0], kind), 2)).Where(double.IsFinite).DefaultIfEmpty().Average()));
        return new Verification(expected, [.. expected.Numbers.Select(number =>
        {
            var (mean, own) = (number.Value[0], number.Value[1]);
            var unit = Math.Max(Math.Max(double.IsNaN(own) ? 0 : own, typical[kinds[number.Key]] * Size(mean, kinds[number.Key])), Rounding * Math.Abs(mean));
            double? value = run.TryGetValue(number.Key, out var found) ? found : null;
            return new Deviation(number.Key, value, mean, unit);
        })]);
    }

    private static double Size(double mean, string kind) => RunNumbers.VariesInProportion(kind) ? Math.Abs(mean) : 1;

    /// <summary>What came out, as one sentence or two.</summary>
    public string Sentence()
    {
        if (Passed)
        {
            var largest = All.MaxBy(number => number.Units)!;
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{All.Count} numbers are as {expected.Origin} had them; the largest deviation is {largest}; {Limit:F1} are allowed.");
        }

        var count = Beyond.Count();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"It deviates from {expected.Origin}, first in {Beyond.First()}; {Limit:F1} are allowed. {count} of {All.Count} numbers {(count == 1 ? "deviates" : "deviate")}.");
    }
}

/// <summary>One number beside its expectation.</summary>
/// <param name="Name">Which number.</param>
/// <param name="Value">That of the run; null where it has none.</param>
/// <param name="Mean">That of the seeds.</param>
/// <param name="Unit">The standard deviation by which it is measured.</param>
internal sealed record Deviation(string Name, double? Value, double Mean, double Unit)
{
    /// <summary>How many standard deviations the run is away; infinite where only one of the two is a number.</summary>
    public double Units => Value is not { } value || double.IsNaN(value) != double.IsNaN(Mean) ? double.PositiveInfinity
        : double.IsNaN(value) || value == Mean ? 0
        : Math.Abs(value - Mean) / Unit;

    /// <inheritdoc/>
    public override string ToString() => Value is { } value
        ? string.Create(CultureInfo.InvariantCulture, $"{Name}, {value:G4} instead of {Mean:G4}, {Units:F1} standard deviations of {Unit:G3}")
        : string.Create(CultureInfo.InvariantCulture, $"{Name}, which the run does not have, instead of {Mean:G4}");
}

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

    /// <summary>The images of the runs; null where each seed drew its own.</summary>
    public DataFingerprint? Data { get; init; }

    /// <summary>By number: mean, and standard deviation of the sample (divisor n - 1).</summary>
    public required OrderedDictionary<string, double[]> Numbers { get; init; }

    /// <summary>How many seeds there are, n.</summary>
    [JsonIgnore]
    public int Count => Seeds.Length;

    /// <summary>Measures finished runs that differ by their seeds alone.</summary>
    /// <exception cref="InputException">They are fewer than two, or of several recipes or images, or not finished.</exception>
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

        var recipe = RecipeFile.Read(RunFolder.At(runs[0].Folder).Recipe);
        var data = recipe.Data.InDistribution is null ? null : runs[0].Data;
        if (data is not null && runs.FirstOrDefault(run => run.Data is { } own && !own.IsSameAs(data)) is { } other)
        {
            throw new InputException($"{runs[0].Folder} and {other.Folder} were trained or tested on other images, {data} and {other.Data}, so they have no mean.");
        }

        var provenance = RunFolder.At(runs[0].Folder).ReadProvenance();
        return new Expectations
        {
            Pascl = $"{provenance?.PasclVersion ?? "unknown"} {provenance?.PasclCommit ?? "unknown"}",
            Seeds = [.. methods[0].Seeds],
            Recipe = JsonSerializer.Deserialize<JsonElement>(RecipeFile.Write(ComparedMethod.WithoutSeed(recipe))),
            Data = data,
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

/// <summary>
/// The numbers by which a finished run is compared with others, in the order in which a training comes to them: the losses epoch by epoch, what BatchNorm has counted, and
/// the metrics of the evaluation. A name is a path: <c>representation/epoch 3/contrastive</c>, <c>BatchNorm/running_var/model.bn1</c>, <c>metric/deployed/auroc</c>.
/// </summary>
internal static class RunNumbers
{
    private const string BatchNorm = "BatchNorm";
    private const string Metric = "metric";
    private const string Loss = "loss";

    // Eight numbers of three seeds have sixteen degrees of freedom, or some fewer: epochs are not independent.
    private const int FewestOfKind = 8;

    private static readonly string[] statistics = ["running_mean", "running_var"];

    /// <summary>Reads them from the folder of a run.</summary>
    /// <exception cref="InputException">The run is not finished or was not evaluated.</exception>
    public static OrderedDictionary<string, double> Of(RunFolder folder)
    {
        using var file = SafetensorsFile.Open(RunFolder.Open(folder.Root).Checkpoint);
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        if (!File.Exists(folder.Report))
        {
            throw new InputException($"{folder.Root} has no report.json: the run was not finished, or not evaluated. Do that with: pascl train --resume {folder.Root}");
        }

        var numbers = new OrderedDictionary<string, double>();
        foreach (var epoch in RunHistory.FromJson(checkpoint.Info.History, folder.Checkpoint).Epochs)
        {
            foreach (var (term, loss) in epoch.Losses)
            {
                numbers.Add(string.Create(CultureInfo.InvariantCulture, $"{epoch.Phase}/epoch {epoch.Epoch}/{term}"), loss);
            }
        }

        foreach (var name in file.Entries.Keys.Order(StringComparer.Ordinal))
        {
            if (statistics.FirstOrDefault(statistic => name.EndsWith($".{statistic}", StringComparison.Ordinal)) is { } statistic)
            {
                using var values = file.Read(name);
                numbers.Add($"{BatchNorm}/{statistic}/{name[..^(statistic.Length + 1)]}", values.to(TorchSharp.torch.float64).sum().item<double>());
            }
        }

        var report = EvaluationReport.Read(folder.Report);
        foreach (var (reading, of) in (IEnumerable<(string, ReadingReport)>)[("deployed", report.Deployed), ("main", report.Main), ("auxiliary", report.Auxiliary)])
        {
            foreach (var (metric, value) in Metrics(of))
            {
                numbers.Add($"{Metric}/{reading}/{metric}", value);
            }
        }

        return numbers;
    }

    /// <summary>
    /// Numbers of one kind vary alike from seed to seed: a term of a phase's loss over its epochs, one statistic of BatchNorm over the layers, and the metrics. Terms of
    /// fewer epochs than say how far seeds are apart are one kind with all losses.
    /// </summary>
    /// <param name="names">All numbers of the run.</param>
    public static IReadOnlyDictionary<string, string> Kinds(IEnumerable<string> names)
    {
        var kinds = names.GroupBy(KindOf).ToArray();
        var few = kinds.Where(kind => kind.Count() < FewestOfKind && !IsOfNetworkOrMetric(kind.Key)).Select(kind => kind.Key).ToHashSet();
        return kinds.SelectMany(kind => kind.Select(name => KeyValuePair.Create(name, few.Contains(kind.Key) ? Loss : kind.Key))).ToDictionary();
    }

    /// <summary>Whether a number is one of those by which the spread of a kind is measured.</summary>
    /// <param name="name">The number.</param>
    /// <param name="kind">One of <see cref="Kinds"/>.</param>
    public static bool IsOf(string name, string kind) => kind == Loss ? !IsOfNetworkOrMetric(KindOf(name)) : KindOf(name) == kind;

    private static bool IsOfNetworkOrMetric(string kind) => kind == Metric || kind.StartsWith(BatchNorm, StringComparison.Ordinal);

    private static string KindOf(string name) => name.Split('/') switch
    {
        [BatchNorm, var statistic, ..] => $"{BatchNorm}/{statistic}",
        [Metric, ..] => Metric,
        [var phase, _, var term] => $"{phase}/{term}",
        _ => name,
    };

    /// <summary>Whether numbers of a kind vary in proportion to their size: losses and variances do, means about 0 and shares do not.</summary>
    public static bool VariesInProportion(string kind) => kind is not ($"{BatchNorm}/running_mean" or Metric);

    private static IEnumerable<(string Name, double Value)> Metrics(ReadingReport reading)
    {
        var accuracy = reading.Classification.Accuracy;
        if (reading.Average is { } average)
        {
            yield return ("auroc", average.Metrics.Auroc);
            yield return ("auprOut", average.Metrics.AuprOut);
            yield return ("fpr95", average.Metrics.Fpr95);
            yield return ("tail auroc", average.Groups.Tail.Auroc);
        }

        yield return ("accuracy", accuracy.Overall);
        yield return ("many-shot accuracy", accuracy.Many);
        yield return ("medium-shot accuracy", accuracy.Medium);
        yield return ("few-shot accuracy", accuracy.Few);
    }
}
