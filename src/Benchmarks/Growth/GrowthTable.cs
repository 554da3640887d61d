namespace Pascl.Benchmarks.Growth;

/// <summary>The rows of one quantity.</summary>
/// <param name="Quantity">Its name.</param>
/// <param name="Description">What was measured.</param>
/// <param name="Rows">By rising size.</param>
internal sealed record GrowthTable(string Quantity, string Description, IReadOnlyList<GrowthRow> Rows);
