using System.Text.Json.Nodes;

namespace Pascl.Training.Recipes;

/// <summary>A recipe as a list of names and values.</summary>
internal static class RecipeValues
{
    /// <summary>Every value of a recipe by its path, for example <c>loss.temperature</c>.</summary>
    /// <param name="recipe">The recipe as JSON.</param>
    public static SortedDictionary<string, string> Of(string recipe)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Visit(JsonNode.Parse(recipe)!, "");
        return values;

        void Visit(JsonNode? node, string path)
        {
            if (node is JsonObject properties)
            {
                foreach (var (name, child) in properties)
                {
                    Visit(child, path.Length == 0 ? name : $"{path}.{name}");
                }
            }
            else
            {
                values[path] = node is JsonArray array ? array.ToJsonString() : node?.ToString() ?? "none";
            }
        }
    }
}
