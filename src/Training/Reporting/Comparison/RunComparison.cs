namespace Pascl.Training.Reporting.Comparison;

/// <summary>Methods side by side: each number's mean and spread over the seeds, and how two methods differ on the same seeds.</summary>
public sealed class RunComparison
{
    private readonly CommonGround ground;

    private RunComparison(IReadOnlyList<ComparedMethod> methods, CommonGround ground)
    {
        (Methods, this.ground) = (methods, ground);
        Quantities = [.. Enum.GetValues<Reading>().SelectMany(QuantitiesOf)];
        Differences = [.. Pairs().Where(pair => pair.Seeds.Count > 0)];
        Notes =
        [
            .. ground.Notes,
            .. Pairs().Where(pair => pair.Seeds.Count == 0)
                .Select(pair => $"{pair.Method} and {pair.Baseline} have no seed in common, so their difference is not taken seed by seed."),
        ];
    }

    /// <summary>The methods, in the order in which the runs were given.</summary>
    public IReadOnlyList<ComparedMethod> Methods { get; }

    /// <summary>Out-of-distribution sets that all runs share; the averages are over these.</summary>
    public IReadOnlyList<string> Sets => ground.Sets;

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

    private double ValueOf(ComparedRun run, Quantity quantity) => quantity.Of(run.Report, Sets);

    private IEnumerable<Quantity> QuantitiesOf(Reading reading) =>
    [
        .. Metrics.Select(metric => new Quantity(reading, null, metric)),
        .. Sets.SelectMany(set => Metrics.Where(metric => metric.OfDetection is not null).Select(metric => new Quantity(reading, set, metric))),
    ];

    private IEnumerable<PairedDifference> Pairs() =>
        Methods.SelectMany((baseline, i) => Methods.Skip(i + 1).Select(method => Difference(method, baseline)));

    private PairedDifference Difference(ComparedMethod method, ComparedMethod baseline)
    {
        int[] seeds = [.. method.Seeds.Intersect(baseline.Seeds)];
        return new(method.Name, baseline.Name, seeds, Quantities.ToDictionary(
            quantity => quantity,
            quantity => new Summary([.. seeds.Select(seed => ValueOf(Run(method, seed), quantity) - ValueOf(Run(baseline, seed), quantity))])));
    }

    private static ComparedRun Run(ComparedMethod method, int seed) => method.Runs.Single(run => run.Recipe.Seed == seed);
}
