using System.Globalization;
using Prometheus;

namespace Pascl.Training.Deployment.Serving;

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
