using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>Methods side by side: each number's mean and spread over the seeds, and how two methods differ on the same seeds.</summary>
public sealed class RunComparison
{
    private readonly CommonGround ground;

    private RunComparison(IReadOnlyList<ComparedMethod> methods, CommonGround ground)
    {
        (Methods, this.ground) = (methods, ground);
        Quantities = [.. Enum.GetValues<Reading>().SelectMany(QuantitiesOf)];
        PairedDifference[] pairs = [.. Pairs()];
        Differences = [.. pairs.Where(pair => pair.Seeds.Count > 0)];
        Notes =
        [
            .. ground.Notes,
            .. WithoutImages(),
            .. pairs.Where(pair => pair.Seeds.Count == 0)
                .Select(pair => $"{pair.Method} and {pair.Baseline} have no seed in common, so their difference is not taken seed by seed."),
        ];
    }

    /// <summary>The methods, in the order in which the runs were given.</summary>
    public IReadOnlyList<ComparedMethod> Methods { get; }

    /// <summary>Out-of-distribution sets that all runs share; the averages are over these.</summary>
    public IReadOnlyList<string> Sets => ground.Sets;

    /// <summary>Groups of them that the runs agree about, with their own averages.</summary>
    public IReadOnlyList<ComparedGroup> Groups => ground.Groups;

    /// <summary>The metrics by which the runs can be compared.</summary>
    public IReadOnlyList<ComparedMetric> Metrics => ground.Metrics;

    /// <summary>Every number that is compared.</summary>
    public IReadOnlyList<Quantity> Quantities { get; }

    /// <summary>Each method less each one before it, where they have seeds in common.</summary>
    public IReadOnlyList<PairedDifference> Differences { get; }

    /// <summary>Sentences on what is left out, and why.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Compares at least two runs.</summary>
    /// <exception cref="InputException">They are fewer, have nothing in common, or two of them are the same.</exception>
    public static RunComparison Of(IReadOnlyList<ComparedRun> runs) => runs.Count < 2
        ? throw new InputException("A comparison needs at least two runs.")
        : new(ComparedMethod.Group(runs), CommonGround.Of(runs));

    /// <summary>A number of a method, one value for each of its seeds.</summary>
    public Summary Of(ComparedMethod method, Quantity quantity) => new([.. method.Runs.Select(run => ValueOf(run, quantity))]);

    private double ValueOf(ComparedRun run, Quantity quantity) => quantity.Of(run.Report, ground);

    private IEnumerable<Quantity> QuantitiesOf(Reading reading) =>
    [
        .. Metrics.Select(metric => new Quantity(reading, null, metric)),
        .. Sets.Concat(Groups.Select(group => group.Name)).SelectMany(set =>
            Metrics.Where(metric => metric.OfDetection is not null).Select(metric => new Quantity(reading, set, metric))),
    ];

    private IEnumerable<PairedDifference> Pairs() =>
        Methods.SelectMany((baseline, i) => Methods.Skip(i + 1).Select(method => Difference(method, baseline)));

    private PairedDifference Difference(ComparedMethod method, ComparedMethod baseline)
    {
        int[] seeds = [.. method.Seeds.Intersect(baseline.Seeds)];
        return new PairedDifference(method.Name, baseline.Name, seeds, Quantities.ToDictionary(
            quantity => quantity,
            quantity => new Summary([.. seeds.Select(seed => ValueOf(Run(method, seed), quantity) - ValueOf(Run(baseline, seed), quantity))])))
        {
            Bootstrap = PairedBootstrap.Of(
                [.. seeds.Select(seed => (Run(method, seed), Run(baseline, seed)))], [.. Quantities.Where(quantity => quantity.Reading == Reading.Deployed)], ground),
        };
    }

    private IEnumerable<string> WithoutImages()
    {
        string[] without = [.. Methods.SelectMany(method => method.Runs).Where(run => run.Images is null).Select(run => run.Folder)];
        return without.Length == 0 || Methods.Count < 2 ? [] :
        [
            $"No bootstrap over images for {string.Join(", ", without)}: the scores of the images are missing (images.json), which earlier versions did not write; evaluate RUN does.",
        ];
    }

    private static ComparedRun Run(ComparedMethod method, int seed) => method.Runs.Single(run => run.Seed == seed);
}

/// <summary>What runs can be compared by.</summary>
/// <param name="Sets">Out-of-distribution sets that every run was evaluated on, in the order of the first run.</param>
/// <param name="Metrics">Numbers that mean the same in every run.</param>
/// <param name="Notes">A sentence on everything that is left out, and why.</param>
public sealed record CommonGround(IReadOnlyList<string> Sets, IReadOnlyList<ComparedMetric> Metrics, IReadOnlyList<string> Notes)
{
    /// <summary>Groups of the sets that every run was evaluated with.</summary>
    public IReadOnlyList<ComparedGroup> Groups { get; init; } = [];

    /// <summary>The sets that a number is the mean over: of one, its own; of a group, its sets; null, all.</summary>
    public IReadOnlyList<string> MembersOf(string? name) => name is null ? Sets : Groups.FirstOrDefault(group => group.Name == name)?.Sets ?? [name];

    /// <summary>Looks for what all of the runs have; what one of them lacks is left out with a note.</summary>
    /// <exception cref="InputException">The runs were tested on other classes or images, so that nothing can be compared.</exception>
    public static CommonGround Of(IReadOnlyList<ComparedRun> runs)
    {
        var first = runs[0];
        foreach (var run in runs)
        {
            CheckClasses(first, run);
        }

        // Built-in images are drawn anew for each seed.
        foreach (var same in runs.GroupBy(run => run.Recipe is { Data.InDistribution: null } ? run.Seed : 0))
        {
            foreach (var run in same)
            {
                CheckImages(same.First(), run);
            }
        }

        var notes = new List<string>();
        if (runs.Where(run => run.Recipe is not null && run.Data is not { Sets.Count: > 0 }).ToArray() is { Length: > 0 } unknown)
        {
            notes.Add(
                $"Written by an earlier version, without hashes of the images: {string.Join(", ", unknown.Select(run => run.Folder))}. Whether they were tested on the same images "
                + "as the others could not be checked, but for the number; evaluate RUN writes the hashes.");
        }

        string[] sets = [.. first.Report.Deployed.Sets.Where(set => runs.All(run => Has(run, set))).Select(set => set.Name)];
        string[] leftOut = [.. runs.SelectMany(run => run.Report.Deployed.Sets).Select(set => set.Name).Distinct().Except(sets)];
        if (leftOut.Length > 0)
        {
            notes.Add(
                $"Left out, because not every run was evaluated on the same images of them: {string.Join(", ", leftOut)}. Averages are over the rest.");
        }

        if (runs.Any(run => run.Recipe is null) && runs.Any(run => run.Recipe is not null))
        {
            notes.Add("Whether runs and models of other programs were tested on the same images is not known: their number and their classes agree.");
        }

        if (sets.Length == 0)
        {
            notes.Add("No out-of-distribution set is common to all runs, so only classification is compared.");
        }

        var metrics = ComparedMetric.All.Where(metric => metric.OfDetection is null || sets.Length > 0).ToList();
        LeaveOut(ComparedMetric.TailAuroc, report => report.TailClasses, "their tail classes differ");
        LeaveOut(ComparedMetric.FewShotAccuracy, report => report.ShotGroups, "their shot groups differ");
        if (!AllEqual(report => report.TrainingCounts))
        {
            notes.Add("The runs were trained on different numbers of images per class.");
        }

        return new(sets, metrics, notes) { Groups = GroupsOf(runs, sets, notes) };

        bool AllEqual<T>(Func<EvaluationReport, IReadOnlyList<T>> of) => runs.All(run => of(run.Report).SequenceEqual(of(first.Report)));

        void LeaveOut<T>(ComparedMetric metric, Func<EvaluationReport, IReadOnlyList<T>> of, string reason)
        {
            if (!AllEqual(of) && metrics.Remove(metric))
            {
                notes.Add($"{metric.Title} is left out, because the runs cannot be compared by it: {reason}.");
            }
        }
    }

    private static ComparedGroup[] GroupsOf(IReadOnlyList<ComparedRun> runs, string[] sets, List<string> notes)
    {
        var first = Of(runs[0]);
        if (!runs.All(run => Of(run).SequenceEqual(first)))
        {
            notes.Add("Near and far sets have no average of their own, because not every run was evaluated with the same sets in them.");
            return [];
        }

        return [.. SetGroups.Means(first, set => set.Group, (group, members) => Named(group, [.. members.Select(set => set.Name)]))];

        static ComparedGroup Named(SetGroup group, string[] members) => new(GroupText.Mean(group, members), members);

        (string Name, SetGroup? Group)[] Of(ComparedRun run) =>
            [.. sets.Select(name => (name, run.Report.Deployed.Sets.Single(set => set.Name == name).Group))];
    }

    private static void CheckClasses(ComparedRun first, ComparedRun other)
    {
        if (!other.Report.ClassNames.SequenceEqual(first.Report.ClassNames))
        {
            throw new InputException(
                $"{first.Folder} and {other.Folder} know different classes ({first.Report.ClassNames.Count} and {other.Report.ClassNames.Count}), " +
                "so they cannot be compared.");
        }

        if (other.Report.TestImages != first.Report.TestImages)
        {
            throw new InputException(
                $"{first.Folder} was tested on {first.Report.TestImages} images and {other.Folder} on {other.Report.TestImages}, " +
                "so they cannot be compared.");
        }
    }

    private static void CheckImages(ComparedRun first, ComparedRun other)
    {
        if ((first.Report.Model?.TestLabels, other.Report.Model?.TestLabels) is ({ } ofFirst, { } ofOther) && ofFirst != ofOther)
        {
            throw new InputException(
                $"{first.Folder} and {other.Folder} were tested on other images, or on the same in another order: the labels of their test images differ (SHA-256 {ofFirst} and {ofOther}). "
                + "Evaluate both on the same split.");
        }

        // A run of an earlier version does not say what it was tested on.
        foreach (var name in first.Report.Deployed.Sets.Select(set => set.Name).Prepend(SetFingerprint.Test))
        {
            if (first.Data?.Of(name) is { } one && other.Data?.Of(name) is { } another && !one.IsSameAs(another))
            {
                var (hash, otherHash) = one.Compared(another) is ({ } here, { } there) ? (here, there) : (one.Pixels, another.Pixels);
                throw new InputException(
                    $"{first.Folder} and {other.Folder} were tested on other images of the set {name}: {one.Images:N0} with the hash {hash}, and {another.Images:N0} with the hash "
                    + $"{otherHash}, so a difference may be one of the images. {Advice(name)}");
            }
        }

        static string Advice(string name) => name == SetFingerprint.Test
            ? "Train both with one --split-seed on the same data."
            : "Evaluate both on the same files, or give one of the sets another name: evaluate RUN --ood NAME=PATH.";
    }

    private static bool Has(ComparedRun run, OodSetReport set) => run.Report.Deployed.Sets.Any(other =>
        (other.Name, other.OutOfDistributionImages, other.InDistributionImages)
            == (set.Name, set.OutOfDistributionImages, set.InDistributionImages));
}

/// <summary>Sets of a group that have an average of their own.</summary>
/// <param name="Name">What the average is called.</param>
/// <param name="Sets">The sets.</param>
public sealed record ComparedGroup(string Name, IReadOnlyList<string> Sets);

/// <summary>An evaluated run that takes part in a comparison.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Recipe">How it was trained; null for a model of somebody else's, of which the report says what it is.</param>
/// <param name="Report">What its evaluation found.</param>
/// <param name="Data">What tells its images from others; null where that is not known.</param>
public sealed record ComparedRun(string Folder, Recipe? Recipe, EvaluationReport Report, DataFingerprint? Data = null)
{
    /// <summary>The seed by which it is told from others of its method.</summary>
    public int Seed => Recipe?.Seed ?? Report.Model?.Seed ?? 0;

    /// <summary>The score and the class of every image; null in a run of an earlier version.</summary>
    public ImageScores? Images { get; init; }

    /// <summary>Reads <c>recipe.json</c> and <c>report.json</c> of a run folder; nothing else of it is needed.</summary>
    /// <exception cref="InputException">The folder or one of the files is missing or cannot be read.</exception>
    public static ComparedRun Read(string path)
    {
        var folder = RunFolder.At(path);
        if (!Directory.Exists(folder.Root))
        {
            throw new InputException($"{folder.Root} does not exist; the folder of a run was expected.");
        }

        if (!File.Exists(folder.Recipe))
        {
            // What evaluate --features left.
            return File.Exists(folder.Report) && EvaluationReport.Read(folder.Report) is { Model: not null } foreign
                ? new(folder.Root, null, foreign) { Images = ImagesOf(folder) }
                : throw new InputException($"{folder.Root} is not the folder of a run: it has no recipe.json.");
        }

        return File.Exists(folder.Report)
            ? Of(folder)
            : throw new InputException($"{folder.Root} has no report.json. Write it with: pascl evaluate {path}");
    }

    // The run's own report is of the images that the run knows.
    private static ComparedRun Of(RunFolder folder)
    {
        var report = EvaluationReport.Read(folder.Report);
        return new(folder.Root, RecipeFile.Read(folder.Recipe), report, report.Data ?? folder.ReadProvenance()?.Data)
        {
            Images = ImagesOf(folder),
        };
    }

    private static ImageScores? ImagesOf(RunFolder folder) => File.Exists(folder.Evaluation.Images) ? ImageScores.Read(folder.Evaluation.Images) : null;
}

/// <summary>Which branch gives the score and which the class.</summary>
public enum Reading
{
    /// <summary>Score of the main branch, class of the auxiliary branch.</summary>
    Deployed,

    /// <summary>Both of the main branch.</summary>
    Main,

    /// <summary>Both of the auxiliary branch.</summary>
    Auxiliary,
}
