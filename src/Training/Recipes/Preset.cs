using Pascl.Training.Data;

namespace Pascl.Training.Recipes;

/// <summary>A recipe with a name and what it looks for in a data folder.</summary>
/// <param name="Name">What <c>--preset</c> takes.</param>
/// <param name="Summary">One line for the help text.</param>
/// <param name="Data">Finds the preset's files in the folder of <c>--data</c>; null for the built-in images.</param>
/// <param name="Recipe">The recipe, without paths.</param>
public sealed record Preset(string Name, string Summary, Func<string, DataFolder>? Data, Recipe Recipe);
