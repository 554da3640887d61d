using Pascl.Training.Recipes;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>Runs of one recipe that differ by nothing but their seed.</summary>
/// <param name="Name">The method, and where several recipes use it, the values in which they differ.</param>
/// <param name="Runs">The runs in order of their seeds.</param>
public sealed record ComparedMethod(string Name, IReadOnlyList<ComparedRun> Runs)
{
    /// <summary>The seeds of the runs, rising.</summary>
    public IReadOnlyList<int> Seeds => [.. Runs.Select(run => run.Recipe.Seed)];

    /// <summary>Puts runs together, in the order in which their methods first appear. Where a run was computed does not tell it from others.</summary>
    /// <exception cref="InputException">Two runs have the same recipe and the same seed.</exception>
    public static IReadOnlyList<ComparedMethod> Group(IReadOnlyList<ComparedRun> runs)
    {
        (ComparedRun[] Runs, SortedDictionary<string, string> Values)[] groups =
        [
            .. runs.GroupBy(run => RecipeFile.Write(WithoutSeed(run.Recipe)))
                .Select(group => (group.OrderBy(run => run.Recipe.Seed).ToArray(), RecipeValues.Of(group.Key))),
        ];
        foreach (var (members, _) in groups)
        {
            CheckSeeds(members);
        }

        return [.. groups.Select(group => new ComparedMethod(Describe(group.Values, [.. groups.Select(g => g.Values)]), group.Runs))];
    }

    private static Recipe WithoutSeed(Recipe recipe) =>
        recipe with { Seed = 0, Device = "auto", Backend = Backend.Auto, Threads = null };

    private static void CheckSeeds(ComparedRun[] runs)
    {
        foreach (var (first, second) in runs.Zip(runs.Skip(1)))
        {
            if (first.Recipe.Seed == second.Recipe.Seed)
            {
                throw new InputException(
                    $"{first.Folder} and {second.Folder} are the same recipe with the same seed {first.Recipe.Seed}, " +
                    "so together they say no more than one of them; give one.");
            }
        }
    }

    private static string Describe(SortedDictionary<string, string> values, SortedDictionary<string, string>[] all)
    {
        var method = values["method"];
        var same = all.Where(other => other["method"] == method).ToArray();
        var differing = same.SelectMany(other => other.Keys).Distinct().Order(StringComparer.Ordinal)
            .Where(key => same.Select(other => other.GetValueOrDefault(key)).Distinct().Count() > 1)
            .Select(key => $"{key} {values.GetValueOrDefault(key, "none")}")
            .ToArray();
        return differing.Length == 0 ? method : $"{method} ({string.Join(", ", differing)})";
    }
}
