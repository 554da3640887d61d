using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pascl.Training.Recipes;

/// <summary>Recipes as JSON. A misspelt or unknown property is an error, because an option that is read and ignored would change the outcome unseen.</summary>
public static class RecipeFile
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        IgnoreReadOnlyProperties = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The recipe as indented JSON.</summary>
    public static string Write(Recipe recipe) => JsonSerializer.Serialize(recipe, Options);

    /// <summary>The name of a method in JSON, which is also its name on the command line.</summary>
    internal static string NameOf(Method method) => JsonSerializer.SerializeToElement(method, Options).GetString()!;

    /// <summary>The recipe in JSON that came from <paramref name="source"/>.</summary>
    /// <exception cref="InputException">The text is not a recipe; the message names the source and the place.</exception>
    public static Recipe Parse(string json, string source)
    {
        try
        {
            var recipe = JsonSerializer.Deserialize<Recipe>(json, Options)
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
}
