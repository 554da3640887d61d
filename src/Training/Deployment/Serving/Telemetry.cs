using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Prometheus;

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

/// <summary>What a server counts, for Prometheus.</summary>
internal sealed class ServerMetrics
{
    private readonly CollectorRegistry registry = Metrics.NewCustomRegistry();
    private readonly MetricFactory factory;
    private readonly Counter requests;
    private readonly Counter images;
    private readonly Histogram seconds;
    private readonly Histogram batches;
    private readonly Gauge inFlight;

    /// <summary>Everything at zero.</summary>
    /// <param name="model">The model, which <c>pascl_build_info</c> names.</param>
    public ServerMetrics(ModelDescription model)
    {
        factory = Metrics.WithCustomRegistry(registry);
        requests = factory.CreateCounter("pascl_requests_total", "Requests for scores, by status code.", "code");
        images = factory.CreateCounter("pascl_images_total", "Images, by what became of them.", "result");
        seconds = factory.CreateHistogram(
            "pascl_request_seconds", "Time of a request for scores.", new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.001, 2, 15) });
        batches = factory.CreateHistogram(
            "pascl_batch_images", "Images that the network took at once.", new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(1, 2, 9) });
        inFlight = factory.CreateGauge("pascl_requests_in_flight", "Requests for scores that are not answered yet, their uploads included.");
        var memory = factory.CreateGauge("process_resident_memory_bytes", "Resident memory of the process.");
        registry.AddBeforeCollectCallback(() => memory.Set(Environment.WorkingSet));
        factory.CreateGauge("pascl_build_info", "Version of the program and what it serves; the value is always 1.", "version", "commit", "model", "weights_sha256")
            .WithLabels(model.Version, model.Commit ?? "", model.Name, model.WeightsSha256)
            .Set(1);
    }

    /// <summary>Says where the load is read when the metrics are.</summary>
    public void Observe(Func<ServerLoad> load)
    {
        var places = factory.CreateGauge("pascl_places_taken", "Requests whose images are worked on or wait, of --max-requests.");
        var bodies = factory.CreateGauge("pascl_body_bytes", "Memory of the bodies that are here, of --max-bodies.");
        var queued = factory.CreateGauge("pascl_queued_pixels", "Pixels of the large images of all requests that are here, of --max-queued-pixels.");
        var undecoded = factory.CreateGauge("pascl_images_undecoded", "Images that wait to be decoded.");
        var pixels = factory.CreateGauge("pascl_decoding_pixels", "Pixels of the images that are being decoded; of large ones at most --max-decoding-pixels.");
        var waiting = factory.CreateGauge("pascl_images_waiting", "Images that wait for the network.");
        registry.AddBeforeCollectCallback(() =>
        {
            var now = load();
            places.Set(now.Places);
            bodies.Set(now.BodyBytes);
            queued.Set(now.QueuedPixels);
            undecoded.Set(now.Undecoded);
            pixels.Set(now.DecodingPixels);
            waiting.Set(now.Waiting);
        });
    }

    /// <summary>Counts a request that begins.</summary>
    public void Began() => inFlight.Inc();

    public void Answered(int code, TimeSpan time)
    {
        inFlight.Dec();
        requests.WithLabels(code.ToString(CultureInfo.InvariantCulture)).Inc();
        seconds.Observe(time.TotalSeconds);
    }

    /// <summary>Counts the images of a batch.</summary>
    public void Scored(ImageScore[] scores)
    {
        batches.Observe(scores.Length);
        foreach (var score in scores)
        {
            images.WithLabels(score.Accepted switch { true => "accepted", false => "rejected", null => "scored" }).Inc();
        }
    }

    /// <summary>Counts an image that could not be read.</summary>
    public void Refused() => images.WithLabels("unreadable").Inc();

    /// <summary>Writes everything in the text format of Prometheus.</summary>
    public Task WriteTo(Stream stream, CancellationToken cancellation) => registry.CollectAndExportAsTextAsync(stream, cancellation);
}

/// <summary>What a server is busy with at one moment.</summary>
/// <param name="Places">Requests whose images are worked on or wait.</param>
/// <param name="BodyBytes">Memory of the bodies that are here.</param>
/// <param name="QueuedPixels">Pixels of the large images of all requests that are here.</param>
/// <param name="Undecoded">Images that wait to be decoded.</param>
/// <param name="DecodingPixels">Pixels of the images that are being decoded.</param>
/// <param name="Waiting">Images that wait for the network.</param>
internal readonly record struct ServerLoad(int Places, long BodyBytes, long QueuedPixels, int Undecoded, long DecodingPixels, int Waiting);
