using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Pascl.Training.Deployment;

/// <summary>A scored image as one JSON object, the same on the command line and from the server.</summary>
internal static class ScoredImageJson
{
    // Names of files and classes stay readable; the text goes into no HTML.
    private static readonly JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Appends images, one line each.</summary>
    public static void AppendLines(StringBuilder text, IEnumerable<ScoredImage> images)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, options);
        foreach (var image in images)
        {
            Write(json, image);
            json.Flush();
            text.Append(Encoding.UTF8.GetString(buffer.WrittenSpan)).Append('\n');
            buffer.ResetWrittenCount();
            json.Reset();
        }
    }

    /// <summary>Writes <c>{"source", "class", "probability", "score", "accepted"}</c>, or <c>{"source", "error"}</c>; an image without a name has no source.</summary>
    public static void Write(Utf8JsonWriter json, ScoredImage image)
    {
        json.WriteStartObject();
        if (image.Source is not null)
        {
            json.WriteString("source", image.Source);
        }

        if (image.Score is { } score)
        {
            json.WriteString("class", score.Class);
            json.WriteNumber("probability", score.Probability);
            json.WriteNumber("score", score.Score);
            if (score.Accepted is { } accepted)
            {
                json.WriteBoolean("accepted", accepted);
            }
            else
            {
                json.WriteNull("accepted");
            }
        }
        else
        {
            json.WriteString("error", image.Error);
        }

        json.WriteEndObject();
    }
}

/// <summary>One image and what became of it: its score, or why there is none.</summary>
/// <param name="Source">Where it is from; null for an image without a name.</param>
/// <param name="Score">What the model says; null where the image could not be read.</param>
/// <param name="Error">What is wrong with the image, a sentence; null where nothing is.</param>
internal sealed record ScoredImage(string? Source, ImageScore? Score, string? Error);
