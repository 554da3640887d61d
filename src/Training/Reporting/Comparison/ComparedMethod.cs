using MathNet.Numerics.Distributions;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>Runs of one recipe that differ by nothing but their seed.</summary>
/// <param name="Name">The method, and where several recipes use it, the values in which they differ.</param>
/// <param name="Runs">The runs in order of their seeds.</param>
public sealed record ComparedMethod(string Name, IReadOnlyList<ComparedRun> Runs)
{
    private const int MostDifferences = 3;

    /// <summary>The seeds of the runs, rising.</summary>
    public IReadOnlyList<int> Seeds => [.. Runs.Select(run => run.Seed)];

    /// <summary>Puts runs together, in the order in which their methods first appear. Where a run was computed does not tell it from others.</summary>
    /// <exception cref="InputException">Two runs have the same recipe and the same seed.</exception>
    public static IReadOnlyList<ComparedMethod> Group(IReadOnlyList<ComparedRun> runs)
    {
        // Models of other programs have no recipe; they are told apart by their names.
        (ComparedRun[] Runs, SortedDictionary<string, string>? Values)[] groups =
        [
            .. runs.GroupBy(run => (Recipe: run.Recipe is { } recipe ? RecipeFile.Write(WithoutSeed(recipe)) : null, run.Report.Model?.Name))
                .Select(group => (group.OrderBy(run => run.Seed).ToArray(), group.Key.Recipe is { } recipe ? RecipeValues.Of(recipe) : null)),
        ];
        foreach (var (members, _) in groups)
        {
            CheckSeeds(members);
        }

        SortedDictionary<string, string>[] recipes = [.. groups.Select(group => group.Values).OfType<SortedDictionary<string, string>>()];
        string[] names = [.. groups.Select(group => group.Values is { } values ? Describe(values, recipes) : group.Runs[0].Report.Model!.Name)];
        return [.. groups.Select((group, i) => new ComparedMethod(
            names.Count(name => name == names[i]) == 1 ? names[i] : $"{names[i]} ({Path.GetFileName(group.Runs[0].Folder)})", group.Runs))];
    }

    /// <summary>A recipe without what is no part of the method: the seed, where the images lie, what else it was tested on, and where it was computed.</summary>
    internal static Recipe WithoutSeed(Recipe recipe) => recipe with
    {
        Seed = 0,
        Device = "auto",
        Backend = Backend.Auto,
        Threads = null,
        DataThreads = null,
        StartingRun = recipe.StartingRun is { } path ? KindOfStart(path) : null,
        Data = recipe.Data with { InDistribution = null, Outliers = null, OutOfDistribution = [], ExcludedSets = [] },
    };

    // Each seed of a method starts from the run of its own seed: what they have in common is the method of that run, or where that is gone the name without the seed.
    private static string KindOfStart(string path)
    {
        try
        {
            return RecipeFile.Read(RunFolder.At(path).Recipe).Method;
        }
        catch (InputException)
        {
            return Path.GetFileName(Path.TrimEndingDirectorySeparator(path)).TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9').TrimEnd('-', '_');
        }
    }

    private static void CheckSeeds(ComparedRun[] runs)
    {
        foreach (var (first, second) in runs.Zip(runs.Skip(1)))
        {
            if (first.Seed == second.Seed)
            {
                throw new InputException(
                    $"{first.Folder} and {second.Folder} are the same {(first.Recipe is null ? "model by name" : "recipe")} with the same seed {first.Seed}, " +
                    $"so together they say no more than one of them; give one{(first.Recipe is null ? ", or evaluate them with a --name or a --seed of their own" : "")}.");
            }
        }
    }

    private static string Describe(SortedDictionary<string, string> values, SortedDictionary<string, string>[] all)
    {
        var method = values["method"];
        var same = all.Where(other => other["method"] == method).ToArray();
        var differing = same.SelectMany(other => other.Keys).Distinct().Order(StringComparer.Ordinal)
            .Where(key => same.Select(other => other.GetValueOrDefault(key)).Distinct().Count() > 1)
            .Select(key => $"{OptionOf(key)} {values.GetValueOrDefault(key, "none")}")
            .ToArray();
        return differing.Length == 0 ? method
            : $"{method} ({string.Join(", ", differing.Take(MostDifferences))}{(differing.Length > MostDifferences ? $", and {differing.Length - MostDifferences} more" : "")})";
    }

    // "epochs 8" rather than "representation.epochs 8".
    private static string OptionOf(string path) =>
        OptionTable.All.FirstOrDefault(option => option.Path == path && option.Name is not null)?.Name![2..] ?? path;
}

/// <summary>A number by which runs are compared.</summary>
/// <param name="Key">Its name in files.</param>
/// <param name="Title">Its name in tables.</param>
/// <param name="HigherIsBetter">Whether a higher number is better.</param>
/// <param name="OfDetection">Reads it from the detection of a set, where it is of that kind.</param>
/// <param name="OfClassification">Reads it from the classification of the test images, where it is of that kind.</param>
public sealed record ComparedMetric(
    string Key,
    string Title,
    bool HigherIsBetter,
    Func<OodResult, double>? OfDetection = null,
    Func<LongTailMetrics, double>? OfClassification = null)
{
    /// <summary>Area under the ROC curve.</summary>
    public static ComparedMetric Auroc { get; } = new("auroc", "AUROC", true, result => result.Metrics.Auroc);

    /// <summary>Average precision, out-of-distribution positive.</summary>
    public static ComparedMetric Aupr { get; } = new("aupr", "AUPR", true, result => result.Metrics.AuprOut);

    /// <summary>False-positive rate at the recall nearest to 0.95, out-of-distribution positive.</summary>
    public static ComparedMetric Fpr95 { get; } = new("fpr95", "FPR95", false, result => result.Metrics.Fpr95);

    /// <summary>AUROC against the test images of the tail classes only.</summary>
    public static ComparedMetric TailAuroc { get; } = new("tail_auroc", "AUROC tail", true, result => result.Groups.Tail.Auroc);

    /// <summary>Accuracy on the test images.</summary>
    public static ComparedMetric Accuracy { get; } =
        new("accuracy", "ACC", true, OfClassification: classification => classification.Accuracy.Overall);

    /// <summary>Mean accuracy of the few-shot classes.</summary>
    public static ComparedMetric FewShotAccuracy { get; } =
        new("few_shot_accuracy", "ACC few", true, OfClassification: classification => classification.Accuracy.Few);

    /// <summary>All of them, in the order of tables.</summary>
    public static IReadOnlyList<ComparedMetric> All { get; } = [Auroc, Aupr, Fpr95, TailAuroc, Accuracy, FewShotAccuracy];
}

/// <summary>How two methods differ on the same seeds, seed by seed.</summary>
/// <param name="Method">The method.</param>
/// <param name="Baseline">The one that it is compared with.</param>
/// <param name="Seeds">The seeds that both have.</param>
/// <param name="Differences">By number: method less baseline, one per seed.</param>
public sealed record PairedDifference(
    string Method, string Baseline, IReadOnlyList<int> Seeds, IReadOnlyDictionary<Quantity, Summary> Differences)
{
    /// <summary>The same drawn again over images and seeds, as deployed; null where a run has no scores of its images.</summary>
    public PairedBootstrap? Bootstrap { get; init; }
}

/// <summary>One number that every compared run has.</summary>
/// <param name="Reading">Which branches it is of.</param>
/// <param name="Set">The out-of-distribution set or <see cref="ComparedGroup"/>; null for the mean over the sets, and for a number of the test images.</param>
/// <param name="Metric">Which number.</param>
public sealed record Quantity(Reading Reading, string? Set, ComparedMetric Metric)
{
    /// <summary>The number of one run, as a fraction.</summary>
    /// <param name="report">The run's report.</param>
    /// <param name="ground">The sets that averages are taken over.</param>
    public double Of(EvaluationReport report, CommonGround ground)
    {
        var reading = Reading switch
        {
            Reading.Main => report.Main,
            Reading.Auxiliary => report.Auxiliary,
            _ => report.Deployed,
        };
        return Metric.OfClassification is { } classification ? classification(reading.Classification)
            : OodMetrics.Mean(ground.MembersOf(Set), OfSet);

        double OfSet(string name) => Metric.OfDetection!(reading.Sets.Single(set => set.Name == name).Result);
    }
}

/// <summary>What several runs say about a number.</summary>
/// <param name="Values">The number of each run.</param>
public sealed record Summary(double[] Values)
{
    /// <summary>Number of runs, n.</summary>
    public int Count => Values.Length;

    /// <summary>The mean over the runs, every run counting alike.</summary>
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
