namespace Pascl.Training.Recipes;

/// <summary>A data set on disk and the name it has in tables.</summary>
/// <param name="Name">The name; null takes it from the data.</param>
/// <param name="Path">Folder, archive or file, or a built-in set such as <c>noise:gaussian</c>.</param>
public sealed record NamedPath(string? Name, string Path);
