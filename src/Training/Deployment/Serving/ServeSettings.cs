namespace Pascl.Training.Deployment.Serving;

/// <summary>Where a server listens and what it takes.</summary>
internal sealed record ServeSettings
{
    /// <summary>Addresses, <c>http://HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = ["http://127.0.0.1:8080"];

    /// <summary>Names by which senders may call the server (the Host header, without its port); null for any.</summary>
    public IReadOnlyList<string>? Hosts { get; init; }

    /// <summary>Keys of which a request must bring one; none where everybody may ask.</summary>
    public ApiKeys Keys { get; init; } = ApiKeys.None;

    /// <summary>Images that the network takes at once, of all requests together.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>How long an image waits for others to share its batch.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Batches that are scored at one time.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Bytes of a request's body, at most.</summary>
    public int BodyLimit { get; init; } = 10 << 20;

    /// <summary>Bytes of all bodies that are here at one time, at most. The body of one request always fits.</summary>
    public long BodiesLimit
    {
        get => Math.Max(field, Budget.LimitFor(BodyLimit + ((long)ImageLimit * Upload.Overhead)));
        init;
    }

    = 128 << 20;

    /// <summary>Pixels of one image, at most; known from its header before anything is decoded.</summary>
    public long PixelLimit { get; init; } = 25_000_000;

    /// <summary>Pixels of all images of a request, at most.</summary>
    public long RequestPixelLimit { get; init; } = 100_000_000;

    /// <summary>Pixels of large images that are decoded at one time, at most; one image alone always is. Each takes 4 bytes of memory.</summary>
    public long DecodingPixelLimit { get; init; } = 50_000_000;

    /// <summary>
    /// Pixels of the large images of all requests that are here, at most; those of one request always fit. Senders share the machine, so that all would come too late
    /// if all were let in.
    /// </summary>
    public long QueuedPixelLimit
    {
        get => Math.Max(field, RequestPixelLimit);
        init;
    }

    = 200_000_000;

    /// <summary>Images in one request, at most.</summary>
    public int ImageLimit { get; init; } = 64;

    /// <summary>Requests for scores whose images are worked on or wait at one time; more are turned away.</summary>
    public int RequestLimit { get; init; } = 64;

    /// <summary>How long a request may take, its upload included.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the server goes on after it is told to stop, so that who sends it requests learns of it from <c>/readyz</c>.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.Zero;

    /// <summary>Where a line for each request is written; null for nowhere.</summary>
    public TextWriter? AccessLog { get; init; }
}
