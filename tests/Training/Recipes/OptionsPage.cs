using System.Text;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Recipes;

/// <summary>docs/options.md as the rows have it.</summary>
internal static class OptionsPage
{
    public static string Text()
    {
        var page = new StringBuilder(
            """
            # Options of a recipe

            Written from the rows of [`OptionTable`](../src/Training/Recipes/OptionTable.cs) and of the methods; a test compares, and says how to write it anew.

            `train`, `profile` and `import` take these options. Each one replaces a value of the recipe that `--preset`, `--recipe` or `--id` gives; `--method` is applied
            before the others, wherever it stands. An option that the recipe does not use ("used by") is refused; a preset or a recipe file may have such values. The
            defaults are those of `--id PATH` without a preset: other presets have their own. A row without an option can be changed in `recipe.json` alone.

            """);
        foreach (var group in OptionTable.Groups)
        {
            page.Append(
                $"""

                ## {group.Title}

                | option | what it is | range | used by | default | in `recipe.json` |
                |---|---|---|---|---|---|

                """);
            foreach (var option in group.Options)
            {
                string[] cells =
                [
                    Code(option.Name), option.Help, Range(option), OptionTable.UseOf(option)?.Words ?? "", Code(option.Text(Presets.Custom)), Code(option.Path),
                ];
                page.Append(string.Concat(cells.Select(cell => cell.Length == 0 ? "| " : $"| {cell} "))).Append("|\n");
            }
        }

        return page.ToString();
    }

    private static string Range(RecipeOption option) => option.Words is { } words ? string.Join(", ", words().Select(Code)) : option.Range ?? "";

    private static string Code(string? text) => string.IsNullOrEmpty(text) ? "" : $"`{text}`";
}
