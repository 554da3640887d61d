using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Checkpoints;

namespace Pascl.Training.Evaluation;

/// <summary>
/// How a report becomes JSON: camel case, names for enums, null for a number that is not finite, and arrays of numbers on one line.
/// </summary>
internal static class ReportJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        // The file is read by people; nothing embeds it in HTML.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters =
        {
            new NumberConverter(),
            new RowConverter<double>(),
            new RowConverter<int>(),
            new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false),
        },
    };

    /// <summary>Reads a file that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, of another kind, or of another layout.</exception>
    public static T Read<T>(string path, ReportFileKind kind)
    {
        try
        {
            var json = File.ReadAllBytes(path);
            CheckLayout(path, json, kind);
            return JsonSerializer.Deserialize<T>(json, Options) ?? throw new JsonException("it holds null.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The {kind.Name} {path} cannot be read: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path} is not {kind.Description}: {exception.Message}", exception);
        }
    }

    /// <summary>Writes a file. It appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write<T>(string path, T content) =>
        DurableFile.Replace(path, stream => JsonSerializer.Serialize(stream, content, Options));

    private static void CheckLayout(string path, byte[] json, ReportFileKind kind)
    {
        using var document = JsonDocument.Parse(json);
        var isOfKind = document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(kind.Mark, out _);
        if (!isOfKind)
        {
            throw new JsonException(kind.WithoutMark);
        }

        // The first layout of reports had no number.
        var layout = document.RootElement.TryGetProperty("layout", out var number) ? number.GetRawText() : "1";
        if (layout != $"{kind.Layout}")
        {
            throw new InputException(
                $"{path} has layout {layout}, but this version of the program reads layout {kind.Layout}. Write it anew: evaluate RUN.");
        }
    }

    private sealed class NumberConverter : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType switch
            {
                JsonTokenType.Null => double.NaN,
                JsonTokenType.Number => reader.GetDouble(),
                _ => throw new JsonException(),
            };

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }

    private sealed class RowConverter<T> : JsonConverter<T[]>
    {
        public override T[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            [.. JsonSerializer.Deserialize<List<T>>(ref reader, options)!];

        public override void Write(Utf8JsonWriter writer, T[] value, JsonSerializerOptions options) =>
            writer.WriteRawValue($"[{string.Join(", ", value.Select(number => JsonSerializer.Serialize(number, options)))}]");
    }
}
