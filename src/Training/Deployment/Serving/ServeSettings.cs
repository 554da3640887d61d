namespace Pascl.Training.Deployment.Serving;

/// <summary>Where a server listens and what it takes.</summary>
internal sealed record ServeSettings
{
    /// <summary>Addresses, <c>http://HOST:PORT</c>.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = ["http://127.0.0.1:8080"];

    /// <summary>Images that the network takes at once, of all requests together.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>How long an image waits for others to share its batch.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Batches that are scored at one time.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Bytes of a request's body, at most.</summary>
    public int BodyLimit { get; init; } = 10 << 20;

    /// <summary>Pixels of one image, at most; known from its header before anything is decoded.</summary>
    public long PixelLimit { get; init; } = 25_000_000;

    /// <summary>Images in one request, at most.</summary>
    public int ImageLimit { get; init; } = 64;

    /// <summary>Requests for scores that are worked on or wait at one time; more are turned away.</summary>
    public int RequestLimit { get; init; } = 64;

    /// <summary>How long a request may take, its upload included.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);
}
