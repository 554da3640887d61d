using System.Globalization;

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
