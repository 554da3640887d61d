using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>An evaluated run that takes part in a comparison.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Recipe">How it was trained.</param>
/// <param name="Report">What its evaluation found.</param>
public sealed record ComparedRun(string Folder, Recipe Recipe, EvaluationReport Report)
{
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
            throw new InputException($"{folder.Root} is not the folder of a run: it has no recipe.json.");
        }

        return File.Exists(folder.Report)
            ? new(folder.Root, RecipeFile.Read(folder.Recipe), EvaluationReport.Read(folder.Report))
            : throw new InputException($"{folder.Root} has no report.json. Write it with: evaluate {path}");
    }
}
