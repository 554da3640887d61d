namespace Pascl.Training.Reporting;

/// <summary>A table of text, for the console and for files alike.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Columns">Headers, the first one that of the row's name.</param>
/// <param name="Rows">Cells, as many in each row as there are columns.</param>
public sealed record TextTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<string[]> Rows);
