namespace Pascl.Training.Reporting.Comparison;

/// <summary>How two methods differ on the same seeds, seed by seed.</summary>
/// <param name="Method">The method.</param>
/// <param name="Baseline">The one that it is compared with.</param>
/// <param name="Seeds">The seeds that both have.</param>
/// <param name="Differences">By number: method less baseline, one per seed.</param>
public sealed record PairedDifference(
    string Method, string Baseline, IReadOnlyList<int> Seeds, IReadOnlyDictionary<Quantity, Summary> Differences);
