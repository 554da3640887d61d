using System.Globalization;
using Prometheus;

namespace Pascl.Training.Deployment.Serving;

/// <summary>What a server counts, for Prometheus.</summary>
internal sealed class ServerMetrics
{
    private readonly CollectorRegistry registry = Metrics.NewCustomRegistry();
    private readonly Counter requests;
    private readonly Counter images;
    private readonly Histogram seconds;
    private readonly Histogram batches;
    private readonly Gauge waiting;

    /// <summary>Everything at zero.</summary>
    public ServerMetrics()
    {
        var factory = Metrics.WithCustomRegistry(registry);
        requests = factory.CreateCounter("pascl_requests_total", "Requests for scores, by status code.", "code");
        images = factory.CreateCounter("pascl_images_total", "Images, by what became of them.", "result");
        seconds = factory.CreateHistogram(
            "pascl_request_seconds", "Time of a request for scores.", new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.001, 2, 15) });
        batches = factory.CreateHistogram(
            "pascl_batch_images", "Images that the network took at once.", new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(1, 2, 9) });
        waiting = factory.CreateGauge("pascl_images_waiting", "Images that wait for the network.");
        var memory = factory.CreateGauge("process_resident_memory_bytes", "Resident memory of the process.");
        registry.AddBeforeCollectCallback(() => memory.Set(Environment.WorkingSet));
    }

    /// <summary>Counts an answered request.</summary>
    public void Answered(int code, TimeSpan time)
    {
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

    /// <summary>Notes how many images wait.</summary>
    public void Waiting(int count) => waiting.Set(count);

    /// <summary>Writes everything in the text format of Prometheus.</summary>
    public Task WriteTo(Stream stream, CancellationToken cancellation) => registry.CollectAndExportAsTextAsync(stream, cancellation);
}
