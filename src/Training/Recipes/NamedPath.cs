namespace Pascl.Training.Recipes;

/// <summary>A data set on disk and the name it has in tables.</summary>
/// <param name="Name">The name; null takes it from the data.</param>
/// <param name="Path">Folder, archive or file.</param>
public sealed record NamedPath(string? Name, string Path);
