using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>All numbers of rows, one row after the other.</summary>
internal static class RowValues
{
    public static float[] Values(this FloatRows rows) => [.. Enumerable.Range(0, rows.Count).SelectMany(row => rows[row].ToArray())];
}
