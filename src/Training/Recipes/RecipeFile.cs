using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Pascl.Training.Recipes;

/// <summary>Recipes as JSON. A misspelt or unknown property is an error, because an option that is read and ignored would change the outcome unseen.</summary>
public static class RecipeFile
{
    /// <summary>The version of the format that is written. 1 had no version, <c>depth</c> for <c>network</c>, <c>rivals</c> and <c>b-float16</c>.</summary>
    public const int CurrentFormat = 3;

    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        IgnoreReadOnlyProperties = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower), new FiniteNumberConverter() },
    };

    // Of two values of a name, one would be ignored.
    private static readonly JsonDocumentOptions DocumentOptions = new() { AllowDuplicateProperties = false };

    /// <summary>The recipe as indented JSON.</summary>
    public static string Write(Recipe recipe) => JsonSerializer.Serialize(recipe, Options);

    /// <summary>The recipe in JSON that came from <paramref name="source"/>.</summary>
    /// <exception cref="InputException">The text is not a recipe; the message names the source and the place.</exception>
    public static Recipe Parse(string json, string source)
    {
        try
        {
            var recipe = Migrated(JsonNode.Parse(json, documentOptions: DocumentOptions), source).Deserialize<Recipe>(Options)
                ?? throw new InputException($"{source} holds no recipe; a recipe.json of a run folder was expected.");
            recipe.Validate();
            return recipe;
        }
        catch (JsonException exception)
        {
            throw new InputException(
                $"{source} is not a recipe: {exception.Message.Split(" Path:")[0]} A recipe.json of a run folder was expected.", exception);
        }
    }

    /// <summary>A recipe without a change: each of its values that the change made gets the original value, and every other stays.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="changed">A recipe with the change.</param>
    /// <param name="original">That recipe before it.</param>
    internal static Recipe TakeBack(Recipe recipe, Recipe changed, Recipe original)
    {
        var now = Json(recipe);
        var without = Value(now, Json(changed), Json(original));
        return JsonNode.DeepEquals(without, now) ? recipe : without.Deserialize<Recipe>(Options)!;

        static JsonNode? Value(JsonNode? value, JsonNode? changed, JsonNode? original)
        {
            if (value is JsonObject properties && changed is JsonObject after && original is JsonObject before)
            {
                return new JsonObject(properties.Select(property => KeyValuePair.Create(property.Key, Value(property.Value, after[property.Key], before[property.Key]))));
            }

            return (JsonNode.DeepEquals(value, changed) ? original : value)?.DeepClone();
        }

        static JsonNode? Json(Recipe recipe) => JsonSerializer.SerializeToNode(recipe, Options);
    }

    // The oldest format first: each step makes the next version of it.
    private static JsonNode? Migrated(JsonNode? json, string source)
    {
        if (json is not JsonObject recipe)
        {
            return json;
        }

        var format = recipe["format"] is JsonValue value && value.TryGetValue(out int version) ? version : 1;
        if (format > CurrentFormat)
        {
            throw new InputException(
                $"{source} has the format {format}, which a newer version of Pascl wrote; this one reads up to {CurrentFormat}. Use that version.");
        }

        if (format < 2)
        {
            Rename("depth", "network");
            Rename("rivals", "baselines");
            if (recipe["precision"] is JsonValue precision && precision.TryGetValue(out string? name) && name == "b-float16")
            {
                recipe["precision"] = "bf16";
            }

        }

        if (format < 3 && recipe["data"] is JsonObject data)
        {
            data["splitSeed"] = null;
        }

        recipe["format"] = CurrentFormat;

        return recipe;

        void Rename(string earlier, string now)
        {
            if (recipe.Remove(earlier, out var renamed))
            {
                recipe[now] = renamed;
            }
        }
    }

    /// <summary>The recipe in a file.</summary>
    /// <exception cref="InputException">The file cannot be read or is not a recipe.</exception>
    public static Recipe Read(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message} A recipe.json of a run folder was expected.", exception);
        }
    }

    // A number above the largest double would be read as infinity, which could not be written again.
    private sealed class FiniteNumberConverter : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetDouble() is var number && double.IsFinite(number) ? number : throw new JsonException("It has a number that is too large.");

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
    }
}

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
