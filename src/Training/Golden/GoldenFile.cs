using System.Text.Json;

namespace Pascl.Training.Golden;

/// <summary>Reads golden files.</summary>
internal static class GoldenFile
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectRequiredConstructorParameters = true };

    /// <summary>Reads a JSON file whose properties are those of <typeparamref name="T"/> in camel case.</summary>
    /// <exception cref="InputException">The file is missing, is not JSON, or lacks a property.</exception>
    public static T Read<T>(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllText(path), Options) ?? throw new JsonException("the file holds null");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InputException($"{path} is not a file of golden values: {exception.Message}", exception);
        }
    }
}
