using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Pascl.Training.Deployment.Serving;

/// <summary>Counts requests, gives each an id, and writes a line of JSON for each.</summary>
internal sealed class RequestLog(ServerMetrics metrics, TextWriter? output)
{
    private const string IdHeader = "X-Request-Id";
    private const int LongestId = 64;

    private static readonly JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Lock gate = new();
    private bool broken;

    /// <summary>Goes around everything that answers a request.</summary>
    public async Task Note(HttpContext context, RequestDelegate next)
    {
        var (start, notes, counts) = (Stopwatch.GetTimestamp(), new RequestNotes(), context.Request.Path == ScoringServer.ScorePath);
        context.Features.Set(notes);
        if (context.Request.Headers[IdHeader].ToString() is { Length: > 0 and <= LongestId } id && id.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
        {
            context.TraceIdentifier = id;
        }

        context.Response.Headers[IdHeader] = context.TraceIdentifier;
        if (counts)
        {
            metrics.Began();
        }

        try
        {
            await next(context);
        }
        finally
        {
            var time = Stopwatch.GetElapsedTime(start);
            if (counts)
            {
                metrics.Answered(context.Response.StatusCode, time);
            }

            if (output is not null)
            {
                Write(Line(context, notes, time));
            }
        }
    }

    private static string Line(HttpContext context, RequestNotes notes, TimeSpan time)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            json.WriteString("time", (DateTime.UtcNow - time).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("id", context.TraceIdentifier);
            json.WriteString("method", context.Request.Method);
            json.WriteString("path", context.Request.Path.Value);
            json.WriteNumber("status", context.Response.StatusCode);
            json.WriteNumber("milliseconds", Math.Round(time.TotalMilliseconds, 2));
            json.WriteNumber("bytes", notes.Bytes);
            json.WriteNumber("images", notes.Images);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private void Write(string line)
    {
        lock (gate)
        {
            if (broken)
            {
                return;
            }

            try
            {
                output!.WriteLine(line);
                output.Flush();
            }
            catch (IOException)
            {
                // Who reads the log is gone, or its disk is full; requests are answered all the same.
                broken = true;
            }
        }
    }
}

/// <summary>What is known of a request's images, for the log.</summary>
internal sealed class RequestNotes
{
    public long Bytes { get; private set; }

    public int Images { get; private set; }

    public static RequestNotes Of(HttpContext context) => context.Features.GetRequiredFeature<RequestNotes>();

    public void Note(IReadOnlyCollection<Upload> uploads) => (Bytes, Images) = (uploads.Sum(upload => (long)upload.Length), uploads.Count);
}
